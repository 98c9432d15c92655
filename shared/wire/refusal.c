/* refusal.c: the code of a refused item, and its sentence. */
#include "wire/refusal.h"

#include "base/states.h"

static const char *kind_in_words(u32 kind)
{
    switch (kind) {
    case KIND_fifo:
        return "a FIFO";
    case KIND_socket:
        return "a socket";
    case KIND_character_device:
        return "a character device";
    case KIND_block_device:
        return "a block device";
    default:
        return NULL;
    }
}

int item_refuse(const struct rec_item *item, struct err *err)
{
    u32 code = item->flags >> ITEM_CODE_SHIFT;
    const char *words = kind_in_words(item->kind);

    if (code == 0)
        code = words ? ERR_UnsupportedKind : ERR_Occupied;
    if (code == ERR_UnsupportedKind && words)
        return err_set(err, code, "%s is not carried in this version", words);
    return err_set(err, code, "%s", err_describe(code));
}

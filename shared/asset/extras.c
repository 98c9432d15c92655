/* extras.c: see extras.h.
 *
 * How: both frames are in order of name, so one pass over the two finds what differs. */
#include "asset/extras.h"

#include "wire/message.h"

#define ACL_VERSION 2 /* the format of the value: linux/posix_acl_xattr.h */
#define ACL_GROUP 0x04
#define ACL_MASK 0x10

static bool begins_with(struct bytes name, const char *prefix)
{
    size_t size = strlen(prefix);

    return name.size >= size && memcmp(name.data, prefix, size) == 0;
}

u32 extras_bit(struct bytes name)
{
    static const char *const hosts_own[] = {"security.selinux", "security.ima", "security.evm",
                                            "security.apparmor", "security.SMACK64"};

    if (bytes_equal(name, bytes_text(EXTRAS_ACL)) ||
        bytes_equal(name, bytes_text(EXTRAS_DEFAULT_ACL)))
        return NOT_KEPT_ACL;
    if (bytes_equal(name, bytes_text(EXTRAS_CAPABILITY)))
        return NOT_KEPT_CAPABILITY;
    for (size_t i = 0; i < COUNT_OF(hosts_own); i++)
        if (begins_with(name, hosts_own[i]))
            return 0;
    return begins_with(name, "user.") || begins_with(name, "trusted.") ||
                   begins_with(name, "security.")
               ? NOT_KEPT_XATTR
               : 0;
}

bool extras_travels(struct bytes name, u32 preserve, bool privileged)
{
    u32 bit = extras_bit(name);

    if (bit == 0 || name.size > NAME_BYTES || memchr(name.data, '\0', name.size))
        return false;
    if (bit == NOT_KEPT_ACL)
        return preserve & PRESERVE_acls;
    return preserve & PRESERVE_xattrs && (privileged || begins_with(name, "user."));
}

static int compare_names(struct bytes a, struct bytes b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* One side of the pass: the record at hand, and whether there is one. */
struct side {
    struct frame_reader reader;
    struct rec_attribute record;
    bool has;
};

static int step(struct side *side, struct err *err)
{
    int got = frame_next_attribute(&side->reader, &side->record, err);

    side->has = got == 1;
    return got < 0 ? -1 : 0;
}

static int begin(struct side *side, struct bytes frame, struct err *err)
{
    *side = (struct side){0};
    if (frame.size == 0)
        return 0;
    return frame_open(&side->reader, frame, err) < 0 ? -1 : step(side, err);
}

int extras_difference(struct bytes from, struct bytes to, extras_change *change, void *context,
                      struct err *err)
{
    struct side old, new;

    if (begin(&old, from, err) < 0 || begin(&new, to, err) < 0)
        return -1;
    while (old.has || new.has) {
        int order = !old.has ? 1 : !new.has ? -1 : compare_names(old.record.name, new.record.name);

        if (order < 0 && change(context, old.record.name, NULL, err) < 0)
            return -1;
        if ((order > 0 || (order == 0 && !bytes_equal(old.record.value, new.record.value))) &&
            change(context, new.record.name, &new.record.value, err) < 0)
            return -1;
        if ((order <= 0 && step(&old, err) < 0) || (order >= 0 && step(&new, err) < 0))
            return -1;
    }
    return 0;
}

int extras_select(struct bytes frame, u32 preserve, bool privileged, bool which, struct buf *out,
                  struct err *err)
{
    size_t start = out->size;
    struct frame_writer writer;
    struct side side;
    int result = begin(&side, frame, err);

    if (frame.size == 0)
        return 0;
    frame_begin(&writer, out);
    while (result == 0 && side.has) {
        if (extras_travels(side.record.name, preserve, privileged) == which)
            frame_add_attribute(&writer, &side.record);
        result = step(&side, err);
    }
    frame_end(&writer);
    if (result < 0 || writer.count == 0)
        out->size = start;
    return result;
}

int extras_merge(struct bytes a, struct bytes b, struct buf *out, struct err *err)
{
    size_t start = out->size;
    struct frame_writer writer;
    struct side one, other;
    int result = begin(&one, a, err) < 0 || begin(&other, b, err) < 0 ? -1 : 0;

    frame_begin(&writer, out);
    while (result == 0 && (one.has || other.has)) {
        bool first =
            one.has && (!other.has || compare_names(one.record.name, other.record.name) < 0);
        struct side *next = first ? &one : &other;

        frame_add_attribute(&writer, &next->record);
        result = step(next, err);
    }
    frame_end(&writer);
    if (result < 0 || writer.count == 0)
        out->size = start;
    return result;
}

int extras_group_mode(struct bytes acl)
{
    int group = -1, mask = 7;

    if (acl.size < 4 || acl.data[0] != ACL_VERSION)
        return -1;
    for (size_t at = 4; at + 8 <= acl.size; at += 8) { /* tag, permissions, id; little endian */
        u32 tag = acl.data[at] | (u32)acl.data[at + 1] << 8;

        if (tag == ACL_GROUP)
            group = acl.data[at + 2] & 7;
        else if (tag == ACL_MASK)
            mask = acl.data[at + 2] & 7;
    }
    return group < 0 ? -1 : group & mask;
}

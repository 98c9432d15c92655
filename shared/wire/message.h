/* message.h: the messages and records of schema/messages.def as C structs, and their encoding.
 *
 * Text and bin fields of a decoded message are borrowed from its frames: who keeps, copies. */
#ifndef SYNCLINE_WIRE_MESSAGE_H
#define SYNCLINE_WIRE_MESSAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/types.h"
#include "schema/limits.h"
#include "wire/cursor.h"

#define FIELD_u32(name) u32 name;
#define FIELD_u64(name) u64 name;
#define FIELD_s64(name) s64 name;
#define FIELD_text(name) struct bytes name;
#define FIELD_bin(name) struct bytes name;

enum message_kind {
#define MSG(name, id, text, fields) MSG_##name = (id),
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
};

#define F(type, name, key, text) FIELD_##type(name)
#define MSG(name, id, text, fields)                                                                \
    struct msg_##name {                                                                            \
        fields                                                                                     \
    };
#define REC(name, text, fields)                                                                    \
    struct rec_##name {                                                                            \
        fields                                                                                     \
    };
#include "schema/messages.def"
#undef MSG
#undef REC
#undef F

struct message {
    u32 kind; /* enum message_kind */
    union {
#define MSG(name, id, text, fields) struct msg_##name name;
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
    };
};

/* A message with its bodies, as it goes to and comes from the bus. Bodies are borrowed. */
struct envelope {
    struct message message;
    struct bytes body[FRAMES_MAX - 1];
    u32 bodies;
};

/* Appends the header frame. The kind must be one of messages.def (asserted: it is ours). */
void message_encode(const struct message *message, struct buf *out);

/* Reads a header frame. Refuses (ERR_Protocol): unknown kind, a missing field, a wrong type,
 * trailing bytes, a frame over MESSAGE_MAX. Skips unknown keys. */
int message_decode(struct bytes frame, struct message *out, struct err *err);

/* "stage job=7 epoch=… " for logs and tests; names escaped. */
void message_print(const struct message *message, struct buf *out);
const char *message_kind_name(u32 kind);

/* ---- body frames: arrays of records ---- */

/* Writer: begin, record_<name> …, end. The count is patched in at the end. */
struct frame_writer {
    struct buf *out;
    size_t start;
    u32 count;
};
void frame_begin(struct frame_writer *writer, struct buf *out);
void frame_end(struct frame_writer *writer);

/* Reader: opens a frame, then frame_next_<name> gives 1 and a record, 0 at the end, -1 on
 * ERR_Protocol. The end also checks that no bytes are left. */
struct frame_reader {
    struct cursor cursor;
    u32 left;
};
int frame_open(struct frame_reader *reader, struct bytes frame, struct err *err);

#define MSG(name, id, text, fields)
#define REC(name, text, fields)                                                                    \
    void frame_add_##name(struct frame_writer *writer, const struct rec_##name *record);           \
    int frame_next_##name(struct frame_reader *reader, struct rec_##name *out, struct err *err);
#include "schema/messages.def"
#undef MSG
#undef REC

/* ---- checks that several receivers share ---- */

/* A decoded dir or item body in memory: arrays of records that borrow from the frame. Refuses a
 * whole batch (ERR_InvalidPath or ERR_Protocol) with an invalid path or name, an item whose dir is
 * not there, an unknown kind, operation or flag, a link without its target, a removal that does not
 * say of what, or more than BATCH_ITEMS items. */
struct batch {
    struct rec_dir *dirs;
    u32 dir_count;
    struct rec_item *items;
    u32 item_count;
};
int batch_decode(struct bytes dirs, struct bytes items, struct batch *out, struct err *err);
void batch_release(struct batch *batch);

/* Makes new dir and item frames of only those items whose `keep` flag is set; returns how many, and
 * their content bytes in *bytes. Directories that no item needs any more are left out. */
u32 batch_select(const struct batch *batch, const bool *keep, struct buf *dirs, struct buf *items,
                 u64 *bytes);

/* Path frames (the dir body of scan and close). Refuses invalid paths, and `replaces` beyond their
 * components. Release with free(). */
int paths_decode(struct bytes frame, struct rec_dir **out, u32 *count, struct err *err);

#endif

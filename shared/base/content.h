/* content.h: the hash of a file's content, as the ledger records it.
 *
 * Below PART_FROM bytes: the plain hash. From there on the file is carried in parts of PART_BYTES
 * by several movers, and its hash is the hash of its parts' digests, one after the other; `syncline
 * hash` prints the same. */
#ifndef SYNCLINE_BASE_CONTENT_H
#define SYNCLINE_BASE_CONTENT_H

#include "base/hash.h"
#include "base/states.h"

struct content; /* opaque; one per lane, used again and again */

struct content *content_new(enum hash_kind kind);
void content_destroy(struct content **content);
/* A file of `size` bytes begins. */
void content_begin(struct content *content, u64 size);
void content_update(struct content *content, const void *data, size_t size);
/* A hole: so many zeros. */
void content_zeros(struct content *content, u64 size);
void content_finish(struct content *content, struct digest *out);

/* What stands for the content of a FIFO or device: of a device its number, 8 bytes little endian;
 * of a FIFO nothing. */
void content_of_node(enum hash_kind hash, enum object_kind kind, u64 rdev, struct digest *out);

/* Feeds zeros to a plain hasher. */
void hasher_zeros(struct hasher *hasher, u64 size);

#endif

/* checksum.h: is the content of two files the same, byte by byte? */
#ifndef SYNCLINE_WATCHER_CHECKSUM_H
#define SYNCLINE_WATCHER_CHECKSUM_H

#include "emit.h"

#include "asset/asset.h"

/* What reading needs; the memory is used again. Zero-initialise. */
struct checksum {
    u8 *source; /* CHECKSUM_BUFFER bytes, NULL until something is read */
    u8 *destination;
};
void checksum_release(struct checksum *checksum);

enum checksum_verdict {
    CHECKSUM_SAME,
    CHECKSUM_DIFFERS, /* or one of them is not what was compared, or changed meanwhile */
    CHECKSUM_GONE,    /* vanished from the source */
    CHECKSUM_FAILED   /* one of them cannot be read: err */
};

/* Compares the files `name` in both directories, which had these attributes. The emitter gets a
 * tick for each part; where its scan is stopped the verdict says nothing. */
enum checksum_verdict checksum_compare(struct checksum *checksum, struct emitter *emitter,
                                       struct asset_directory *source,
                                       struct asset_directory *destination, struct bytes name,
                                       const struct attributes *source_attributes,
                                       const struct attributes *destination_attributes,
                                       struct err *err);

#endif

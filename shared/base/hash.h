/* hash.h: content hashes (streaming) and keys of paths.
 *
 * XXH3-128 finds every accidental difference and is faster than memory; it is not cryptographic:
 * who must defend against forged content chooses SHA-256 (OpenSSL EVP). Digests are in canonical
 * (big-endian) order, so that their hex is what `xxh128sum` and `sha256sum` print. */
#ifndef SYNCLINE_BASE_HASH_H
#define SYNCLINE_BASE_HASH_H

#include "base/types.h"

enum hash_kind { HASH_XXH3_128 = 1, HASH_SHA256 = 2 };

#define HASH_BYTES_MAX 32
#define KEY_BYTES 16

struct digest {
    u8 bytes[HASH_BYTES_MAX];
    u32 size; /* 16 or 32; 0 = none */
};

struct hasher; /* opaque; one per lane, used again and again */

struct hasher *hasher_new(enum hash_kind kind);
void hasher_destroy(struct hasher **hasher);
void hasher_reset(struct hasher *hasher);
void hasher_update(struct hasher *hasher, const void *data, size_t size);
void hasher_finish(struct hasher *hasher, struct digest *out);

/* One run of bytes, without a hasher. */
void hash_bytes(enum hash_kind kind, struct bytes bytes, struct digest *out);

/* The 128-bit key of a path in the ledger: XXH3-128 of its bytes. */
void path_key(struct bytes path, u8 out[KEY_BYTES]);

bool digest_equal(const struct digest *a, const struct digest *b);
/* Lower-case hex, NUL-terminated. */
void digest_hex(const struct digest *digest, char out[2 * HASH_BYTES_MAX + 1]);

/* "xxh3-128" and "sha256"; 0 for an unknown name, "unknown" for an unknown kind. */
enum hash_kind hash_kind_by_name(const char *name);
const char *hash_kind_name(enum hash_kind kind);

#endif

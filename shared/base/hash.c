/* hash.c: see hash.h. XXH3 from libxxhash, SHA-256 from OpenSSL's EVP. */
#include "base/hash.h"

#include "base/buf.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <xxhash.h>

struct hasher {
    enum hash_kind kind;
    XXH3_state_t *xxh3;
    EVP_MD_CTX *evp;
};

struct hasher *hasher_new(enum hash_kind kind)
{
    struct hasher *hasher = memory_or_die(sizeof *hasher);

    hasher->kind = kind;
    if (kind == HASH_SHA256)
        hasher->evp = EVP_MD_CTX_new();
    else
        hasher->xxh3 = XXH3_createState();
    if (!hasher->evp && !hasher->xxh3)
        abort();
    hasher_reset(hasher);
    return hasher;
}

void hasher_destroy(struct hasher **hasher)
{
    if (!*hasher)
        return;
    EVP_MD_CTX_free((*hasher)->evp);
    XXH3_freeState((*hasher)->xxh3);
    free(*hasher);
    *hasher = NULL;
}

void hasher_reset(struct hasher *hasher)
{
    if (hasher->evp)
        EVP_DigestInit_ex(hasher->evp, EVP_sha256(), NULL);
    else
        XXH3_128bits_reset(hasher->xxh3);
}

void hasher_update(struct hasher *hasher, const void *data, size_t size)
{
    if (hasher->evp)
        EVP_DigestUpdate(hasher->evp, data, size);
    else
        XXH3_128bits_update(hasher->xxh3, data, size);
}

static void canonical(XXH128_hash_t hash, u8 *out)
{
    XXH128_canonical_t bytes;

    XXH128_canonicalFromHash(&bytes, hash);
    memcpy(out, bytes.digest, sizeof bytes.digest);
}

void hasher_finish(struct hasher *hasher, struct digest *out)
{
    *out = (struct digest){0};
    if (hasher->evp) {
        EVP_DigestFinal_ex(hasher->evp, out->bytes, &out->size);
    } else {
        canonical(XXH3_128bits_digest(hasher->xxh3), out->bytes);
        out->size = 16;
    }
}

void hash_bytes(enum hash_kind kind, struct bytes bytes, struct digest *out)
{
    *out = (struct digest){0};
    if (kind == HASH_SHA256) {
        EVP_Digest(bytes.data, bytes.size, out->bytes, &out->size, EVP_sha256(), NULL);
    } else {
        canonical(XXH3_128bits(bytes.data, bytes.size), out->bytes);
        out->size = 16;
    }
}

void path_key(struct bytes path, u8 out[KEY_BYTES])
{
    canonical(XXH3_128bits(path.data, path.size), out);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return a->size == b->size && a->size > 0 && memcmp(a->bytes, b->bytes, a->size) == 0;
}

void digest_hex(const struct digest *digest, char out[2 * HASH_BYTES_MAX + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (u32 i = 0; i < digest->size; i++) {
        out[2 * i] = digits[digest->bytes[i] >> 4];
        out[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    out[2 * digest->size] = '\0';
}

enum hash_kind hash_kind_by_name(const char *name)
{
    if (strcmp(name, "xxh3-128") == 0)
        return HASH_XXH3_128;
    return strcmp(name, "sha256") == 0 ? HASH_SHA256 : 0;
}

const char *hash_kind_name(enum hash_kind kind)
{
    return kind == HASH_XXH3_128 ? "xxh3-128" : kind == HASH_SHA256 ? "sha256" : "unknown";
}

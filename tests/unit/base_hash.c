/* base_hash.c: digests against values of other programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

#include <stdlib.h>

/* XXH3-128: xxhsum 0.8 (xxh128sum) of the same bytes. SHA-256: FIPS 180-2, appendix B. */
static const struct {
    enum hash_kind kind;
    const char *input;
    const char *hex;
} vectors[] = {
    {HASH_XXH3_128, "", "99aa06d3014798d86001c324468d497f"},
    {HASH_XXH3_128, "abc", "06b05ab6733a618578af5f94892f3950"},
    {HASH_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {HASH_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

/* Goal: the hex is what the common programs print.
 * Method: published vectors, at once and byte by byte with a hasher that is used again. */
static void known_vectors(void **state)
{
    char hex[2 * HASH_BYTES_MAX + 1];
    struct digest digest;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct hasher *hasher = hasher_new(vectors[i].kind);

        hash_bytes(vectors[i].kind, bytes_text(vectors[i].input), &digest);
        digest_hex(&digest, hex);
        assert_string_equal(hex, vectors[i].hex);
        for (int round = 0; round < 2; round++) {
            for (const char *at = vectors[i].input; *at; at++)
                hasher_update(hasher, at, 1);
            hasher_finish(hasher, &digest);
            digest_hex(&digest, hex);
            assert_string_equal(hex, vectors[i].hex);
            hasher_reset(hasher);
        }
        hasher_destroy(&hasher);
        assert_null(hasher);
    }
}

/* Goal: the way in which bytes come does not change the digest.
 * Method: a long input in pieces of several sizes, both kinds. */
static void independent_of_pieces(void **state)
{
    static const size_t pieces[] = {1, 63, 240, 241, 4096, 100000};
    u8 *input = malloc(300000);

    (void)state;
    for (size_t i = 0; i < 300000; i++)
        input[i] = (u8)(i * 2654435761u >> 24);
    for (int kind = HASH_XXH3_128; kind <= HASH_SHA256; kind++) {
        struct hasher *hasher = hasher_new(kind);
        struct digest whole, pieced;

        hash_bytes(kind, bytes_of(input, 300000), &whole);
        for (size_t i = 0; i < COUNT_OF(pieces); i++) {
            hasher_reset(hasher);
            for (size_t at = 0; at < 300000; at += pieces[i])
                hasher_update(hasher, input + at,
                              at + pieces[i] > 300000 ? 300000 - at : pieces[i]);
            hasher_finish(hasher, &pieced);
            assert_true(digest_equal(&whole, &pieced));
        }
        hasher_destroy(&hasher);
    }
    free(input);
}

/* Goal: no digest equals none; kinds differ; a path's key is its XXH3-128.
 * Method: each compared. */
static void compares(void **state)
{
    struct digest none = {0}, xxh3, sha256;
    u8 key[KEY_BYTES];

    (void)state;
    hash_bytes(HASH_XXH3_128, bytes_text("a/b"), &xxh3);
    hash_bytes(HASH_SHA256, bytes_text("a/b"), &sha256);
    path_key(bytes_text("a/b"), key);
    assert_memory_equal(key, xxh3.bytes, KEY_BYTES);
    assert_int_equal(xxh3.size, 16);
    assert_int_equal(sha256.size, 32);
    assert_false(digest_equal(&none, &none));
    assert_false(digest_equal(&xxh3, &sha256));
    assert_true(digest_equal(&xxh3, &xxh3));
    assert_int_equal(hash_kind_by_name("xxh3-128"), HASH_XXH3_128);
    assert_int_equal(hash_kind_by_name("sha256"), HASH_SHA256);
    assert_int_equal(hash_kind_by_name("md5"), 0);
    assert_string_equal(hash_kind_name(HASH_SHA256), "sha256");
    assert_string_equal(hash_kind_name(9), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors),
        cmocka_unit_test(independent_of_pieces),
        cmocka_unit_test(compares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* words.c: see words.h. */
#include "base/words.h"

#include <string.h>

#define WORD_MAX 32

/* G. Navarro, "A guided tour to approximate string matching" (2001): three rows suffice for swaps.
 */
static size_t edits(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], n = strlen(a), m = strlen(b);

    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[(i - 2) % 3][j - 2] + 1 < best)
                best = rows[(i - 2) % 3][j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *nearest_word(const char *word, const char *const *words, u32 count)
{
    const char *best = NULL;
    size_t least = strlen(word) <= 3 ? 2 : 3; /* farther away is not a slip of the fingers */

    for (u32 i = 0; i < count; i++) {
        size_t distance = edits(word, words[i]);

        if (distance < least) {
            least = distance;
            best = words[i];
        }
    }
    return best;
}

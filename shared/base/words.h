/* words.h: the word that somebody may have meant. Pure. */
#ifndef SYNCLINE_BASE_WORDS_H
#define SYNCLINE_BASE_WORDS_H

#include "base/types.h"

/* The word nearest to `word`, by edits (Damerau-Levenshtein, restricted), if near enough to be
 * meant; NULL if none is. */
const char *nearest_word(const char *word, const char *const *words, u32 count);

#endif

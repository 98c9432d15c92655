/* tool.h: a program of the tests that makes odd trees, edits them, and compares two of them. It
 * shares nothing with Syncline: it is the other opinion.
 *
 *     tool make SEED DIRECTORY ENTRIES      a random tree of every kind that this user can make
 *     tool edit SEED DIRECTORY EDITS        random changes of every kind
 *     tool compare [OPTION...] A B          differences on stdout, one a line; exit 1 if there are
 *     tool wide DIRECTORY NAMES             so many small files in one directory
 *     tool deep DIRECTORY LEVELS            directories in directories, a file in the last
 *     tool large SEED FILE MIB              a new file of that size with holes in it
 *     tool writer SECONDS DIRECTORY         rewrites files of whole versions and never rests
 *     tool whole DIRECTORY                  was each file of it as it is there at one instant? exit
 * 1 if not tool swapper SECONDS A B [T ASIDE]    exchanges two names again and again; should
 * neither be a link, B moves into ASIDE and is a link to T
 *
 * The same SEED gives the same tree. */
#ifndef SYNCLINE_TESTS_TREES_TOOL_H
#define SYNCLINE_TESTS_TREES_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* random.c: the same numbers for the same seed, on every machine */
void random_seed(uint64_t seed);
uint32_t random_below(uint32_t bound);
bool one_in(uint32_t bound);
/* A name of 1 to 255 bytes of any kind, without slash and NUL; not "." or ".." or ".syncline". */
void random_name(char out[256]);

/* make.c; each makes one object below the directory `fd` and says whether it could. */
bool make_file(int fd, const char *name);
bool make_any(int fd, const char *name);
/* Mode, owner, times, extended attributes, lists: some of them, sometimes. */
void dress(int fd, const char *name);
int command_make(char **arguments);
int command_wide(char **arguments);
int command_deep(char **arguments);

int command_large(char **arguments);

int command_edit(char **arguments);
int command_compare(char **arguments);
int command_writer(char **arguments);
int command_whole(char **arguments);
int command_swapper(char **arguments);

/* Says what and why, and ends with 2. */
void fail(const char *what, const char *name);

#endif

/* err.h: what a function that can fail tells its caller.
 *
 * Functions return 0 (or a count) on success and -1 on failure, and then have filled the caller's
 * `struct err`, which is always the last parameter and never NULL. The text says what, where and
 * why; the place that prints it adds what to do. Leaf code never logs. */
#ifndef SYNCLINE_BASE_ERR_H
#define SYNCLINE_BASE_ERR_H

#include "base/types.h"

enum err_code {
#define ERROR(name, number, disposition, text) ERR_##name = (number),
#include "schema/errors.def"
#undef ERROR
};

enum err_disposition {
    DISPOSITION_RETRY,
    DISPOSITION_GIVE_BACK,
    DISPOSITION_ITEM,
    DISPOSITION_JOB,
    DISPOSITION_BUG
};

#define ERR_TEXT_SIZE 512

struct err {
    enum err_code code;
    int sys_errno; /* 0 where no system call is to blame */
    char text[ERR_TEXT_SIZE];
};

/* Fills `err` and returns -1, so that callers can `return err_set(…)`. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from an errno: the code is err_code_of_errno(errno_value), the text gets ": <strerror>".
 */
int err_errno(struct err *err, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<context>: " in front of the text that is there. Returns -1. */
int err_context(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The compiler sees that these are -1, and so that results are set wherever a caller goes on. */
#define err_set(...)                                                                               \
    __extension__({                                                                                \
        err_set(__VA_ARGS__);                                                                      \
        -1;                                                                                        \
    })
#define err_errno(...)                                                                             \
    __extension__({                                                                                \
        err_errno(__VA_ARGS__);                                                                    \
        -1;                                                                                        \
    })
#define err_context(...)                                                                           \
    __extension__({                                                                                \
        err_context(__VA_ARGS__);                                                                  \
        -1;                                                                                        \
    })

void err_clear(struct err *err);

/* "NoSpace" for ERR_NoSpace; "Unknown" for a number that is not in errors.def. */
const char *err_name(u32 code);
/* The sentence of errors.def. */
const char *err_describe(u32 code);
/* DISPOSITION_BUG for a number that is not in errors.def (a peer may send any). */
enum err_disposition err_disposition_of(u32 code);
/* The place is to blame: full, read-only, away. Whoever asks later may find it as it should be. */
bool err_is_of_place(u32 code);
/* The code for a failed system call on an object of a tree; IoError where none fits better. */
enum err_code err_code_of_errno(int errno_value);
/* The code with this name, or -1. */
int err_code_by_name(const char *name);

#endif

/* err.c: see err.h. The table is schema/errors.def, included once for each column. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    u32 code;
    enum err_disposition disposition;
    const char *name;
    const char *text;
} codes[] = {
#define ERROR(name, number, disposition, text) {number, DISPOSITION_##disposition, #name, text},
#include "schema/errors.def"
#undef ERROR
};

static const struct {
    int value;
    enum err_code code;
} errnos[] = {
    {ENOENT, ERR_NotFound},         {EACCES, ERR_AccessDenied},     {EPERM, ERR_AccessDenied},
    {ENOSPC, ERR_NoSpace},          {EDQUOT, ERR_QuotaExceeded},    {EROFS, ERR_ReadOnly},
    {EMFILE, ERR_TooManyOpenFiles}, {ENFILE, ERR_TooManyOpenFiles}, {ENOMEM, ERR_OutOfMemory},
    {ENOTDIR, ERR_NotADirectory},   {ELOOP, ERR_SymlinkInPath},     {ENAMETOOLONG, ERR_NameTooLong},
    {EXDEV, ERR_CrossDevice},       {EEXIST, ERR_Exists},           {EISDIR, ERR_Occupied},
    {ENOTEMPTY, ERR_Occupied},
};

static int find(u32 code)
{
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i].code == code)
            return (int)i;
    return -1;
}

int(err_set)(struct err *err, enum err_code code, const char *format, ...)
{
    va_list arguments;

    err->code = code;
    err->sys_errno = 0;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    return -1;
}

int(err_errno)(struct err *err, int errno_value, const char *format, ...)
{
    va_list arguments;
    size_t length;

    err->code = err_code_of_errno(errno_value);
    err->sys_errno = errno_value;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    length = strlen(err->text);
    /* %m reads errno and, unlike strerror, needs no shared buffer between threads */
    errno = errno_value;
    snprintf(err->text + length, sizeof err->text - length, ": %m");
    return -1;
}

int(err_context)(struct err *err, const char *format, ...)
{
    char inner[ERR_TEXT_SIZE];
    va_list arguments;
    size_t length;

    memcpy(inner, err->text, sizeof inner);
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    length = strlen(err->text);
    snprintf(err->text + length, sizeof err->text - length, ": %s", inner);
    return -1;
}

void err_clear(struct err *err)
{
    err->code = ERR_Ok;
    err->sys_errno = 0;
    err->text[0] = '\0';
}

const char *err_name(u32 code)
{
    int i = find(code);
    return i < 0 ? "Unknown" : codes[i].name;
}

const char *err_describe(u32 code)
{
    int i = find(code);
    return i < 0 ? "an error of a kind unknown to this version" : codes[i].text;
}

enum err_disposition err_disposition_of(u32 code)
{
    int i = find(code);
    return i < 0 ? DISPOSITION_BUG : codes[i].disposition;
}

bool err_is_of_place(u32 code)
{
    return code == ERR_NoSpace || code == ERR_QuotaExceeded || code == ERR_ReadOnly ||
           code == ERR_AssetUnreachable || code == ERR_SourceUnreachable ||
           code == ERR_SourceUnreadable || code == ERR_DestinationUnwritable;
}

enum err_code err_code_of_errno(int errno_value)
{
    for (size_t i = 0; i < COUNT_OF(errnos); i++)
        if (errnos[i].value == errno_value)
            return errnos[i].code;
    return ERR_IoError;
}

int err_code_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (strcmp(codes[i].name, name) == 0)
            return (int)codes[i].code;
    return -1;
}

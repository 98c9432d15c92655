/* dir.h: what the files of the directory driver share; nobody outside this folder includes it.
 *
 *   root.c        the asset: open, probe, settle           list.c        directory streams, look-up
 *   place.c       identity and place by the mount table    read.c        source files and links
 *   walk.c        openat2 from the root, never out of it   stage.c       staged copies; proving
 * them staging.c     the staging area, grants, token handles  parts.c       holes, and parts of a
 * file revoke.c      the lock, and taking a right away        nodes.c       FIFOs, devices, hard
 * links empty.c       emptying a token's directory             publish.c     renames into place
 *   attributes.c  owner, mode, times; changes in place     parents.c     directories on the way
 *   extras.c      extended attributes, access lists        exchange.c    changes of type
 *   remove.c      removals                                 make.c        a root that is not there
 *
 * Layout at a destination's root:
 *   .syncline/                 0700, ours
 *   .syncline/staging-area     the marker: only a directory with it is ever taken for ours
 *   .syncline/<token>/         0700, one per grant
 *   .syncline/<token>/lock     held while something is changed in place (revoke.c says why)
 *   .syncline/<token>/<index>  a staged copy, 0600; d<index>, p<n>: a directory on its way into
 *                              place; o<index>, r<index>: what made way; x<n>: being emptied */
#ifndef SYNCLINE_ASSET_DIR_H
#define SYNCLINE_ASSET_DIR_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "asset/asset.h"
#include "schema/limits.h"

#define MARKER_NAME "staging-area"
#define LOCK_NAME "lock"
#define STAGED_NAME_SIZE 16
#define SHOWN_SIZE 256 /* a name or path as an error text shows it */

struct dir_asset {
    struct asset base;
    int root;   /* held from open to close; every path is resolved from it */
    char *path; /* of the root, as the address has it */
    uid_t uid;  /* effective, at open: who our own things must belong to */
    atomic_bool
        touches_atime; /* O_NOATIME was refused once (someone else's file): not tried again */
    pthread_mutex_t settling; /* one syncfs at a time, so that its one error report is not missed */
    bool settle_failed;
};

struct dir_directory {
    struct asset_directory base;
    int fd;
    bool is_root;
    u64 position; /* d_off of the last entry given, 0 at the beginning */
    u8 *buffer;   /* getdents64; only between the first and the last entry */
    size_t filled;
    size_t used;
};

struct dir_token {
    struct asset_token base;
    int fd;   /* the token's directory */
    int lock; /* the lock file, opened at the first change in place; else -1 */
    u32 made; /* numbers the parent directories that are made */
    struct token token;
};

struct dir_file {
    struct asset_file base;
    int fd;
    struct dir_token *token; /* of a staged file; borrowed */
    u32 index;
    u64 size; /* when it was opened */
};

static inline struct dir_asset *dir_asset_of(struct asset *asset)
{
    return (struct dir_asset *)asset;
}

static inline struct dir_asset *dir_asset_of_token(const struct dir_token *token)
{
    return (struct dir_asset *)token->base.asset;
}

/* walk.c */

/* Escapes and shortens for an error text. */
const char *dir_shown(struct bytes name, char out[SHOWN_SIZE]);
/* Copies a valid single name, NUL-terminated; InvalidPath otherwise. */
int dir_name(struct bytes name, char out[NAME_BYTES + 1], struct err *err);
/* statx of `name` below `fd` (of `fd` itself if name is ""), never following a link. -1 and errno.
 */
int dir_stat(int fd, const char *name, struct attributes *out);
struct attributes dir_attributes_of(const struct statx *from);
#define DIR_STATX_MASK                                                                             \
    (STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_MTIME | STATX_CTIME |   \
     STATX_INO | STATX_SIZE | STATX_BLOCKS)
/* openat2 without links, magic links, mount points and ways out. -1 and errno. */
int dir_open_beneath(int from, const char *path, int flags);
/* The same from the root, for paths of any length. -1 and errno. */
int dir_walk(const struct dir_asset *asset, struct bytes path, int flags);
/* Takes `fd`. */
struct asset_directory *dir_directory_new(struct asset *asset, int fd, bool is_root);
int dir_directory_open(struct asset *asset, struct bytes path, struct asset_directory **out,
                       struct err *err);
int dir_directory_enter(struct asset_directory *parent, struct bytes name,
                        struct asset_directory **out, struct err *err);
void dir_directory_close(struct asset_directory *directory);
/* True if `name` below `fd` is a staging area: with our marker, or empty, private and `uid`'s own:
 * one that is just being made or removed, or whose maker died between the two steps. */
bool dir_is_staging(int fd, const char *name, uid_t uid);

/* list.c */

struct linux_dirent {
    u64 d_ino;
    s64 d_off;
    u16 d_reclen;
    u8 d_type;
    char d_name[];
};
/* getdents64, EINTR retried. */
ssize_t dir_getdents(int fd, void *buffer, size_t size);
bool dir_is_dot(const char *name);
int dir_directory_next(struct asset_directory *directory, struct entry *out, struct err *err);
int dir_directory_next_directory(struct asset_directory *directory, struct entry *out,
                                 struct err *err);
int dir_directory_next_name(struct asset_directory *directory, struct entry *out, struct err *err);
u64 dir_directory_position(const struct asset_directory *directory);
int dir_directory_seek(struct asset_directory *directory, u64 position, struct err *err);
int dir_directory_lookup(struct asset_directory *directory, struct bytes name,
                         struct attributes *out, struct err *err);
int dir_directory_attributes(struct asset_directory *directory, struct attributes *out,
                             struct err *err);

/* place.c */

int dir_identity(struct asset *asset, struct identity *out, struct err *err);
int dir_place(struct asset *asset, struct buf *out, struct err *err);
int dir_prospect(const char *rest, struct buf *place, struct err *err);
int dir_make(const char *rest, struct err *err);

/* read.c */

int dir_file_open(struct asset_directory *directory, struct bytes name, struct asset_file **out,
                  struct attributes *attributes, struct err *err);
s64 dir_file_read(struct asset_file *file, void *buffer, size_t size, u64 offset, struct err *err);
int dir_file_attributes(struct asset_file *file, struct attributes *out, struct err *err);
void dir_file_uncached(struct asset_file *file);
void dir_file_close(struct asset_file *file);
int dir_read_link(struct asset_directory *directory, struct bytes name, struct buf *target,
                  struct attributes *attributes, struct err *err);
/* Appends the target of the link `name` below `fd` (of the O_PATH descriptor itself if ""). */
int dir_append_link(int fd, const char *name, struct buf *target);

/* staging.c */

int dir_staging_open(struct asset *asset, u64 job, u32 epoch, s64 *now_ns, struct err *err);
int dir_staging_close(struct asset *asset, struct err *err);
int dir_grant(struct asset *asset, const struct token *first, u32 count, struct err *err);
int dir_token_open(struct asset *asset, const struct token *token, struct asset_token **out,
                   struct err *err);
void dir_token_close(struct asset_token *token);
int dir_token_end(struct asset_token *token, struct err *err);
/* Opens the staging area if it is there and ours: a descriptor; -1 with err, NotFound if it is not.
 */
int dir_staging_descriptor(struct dir_asset *asset, struct err *err);
/* True while the token's directory still is where it was granted. */
bool dir_token_alive(const struct dir_token *token);
int dir_revoked(const struct dir_token *token, struct err *err);

/* revoke.c */

int dir_revoke(struct asset *asset, const struct token *token, bool *clean, struct err *err);
/* Empties and removes the directory `name` in the staging area `fd`. `deadline_ns` (monotonic) is
 * when waiting for locks ends. */
int dir_revoke_directory(int fd, const char *name, s64 deadline_ns, bool *clean, struct err *err);
/* Which tokens of the staging area to revoke. */
typedef bool dir_token_filter(const struct token *token, const void *context);
/* Revokes each entry whose token `filter` wants; `filter` NULL: each directory whatever its name,
 * and each file but the marker. */
int dir_revoke_each(int fd, dir_token_filter *filter, const void *context, bool *clean,
                    struct err *err);
/* empty.c: unlinks all that is in the token's directory `fd`, at any depth. */
int dir_empty(int fd, struct err *err);
/* The lock of changes in place. Revoked if the token is gone. */
int dir_lock(struct dir_token *token, struct err *err);
void dir_unlock(struct dir_token *token);

/* stage.c */

void dir_staged_name(char prefix, u32 index, char out[STAGED_NAME_SIZE]); /* prefix '\0': none */
int dir_stage_file(struct asset_token *token, u32 index, struct asset_file **out, struct err *err);
int dir_stage_write(struct asset_file *file, const void *data, size_t size, u64 offset,
                    struct err *err);
int dir_stage_end(struct asset_file *file, struct staged_version *out, struct err *err);
void dir_stage_abort(struct asset_file *file);
int dir_stage_link(struct asset_token *token, u32 index, struct bytes target,
                   struct staged_version *out, struct err *err);
void dir_stage_remove(struct asset_token *token, u32 index);
int dir_staged_open(struct asset_token *token, u32 index, bool uncached, struct asset_file **out,
                    struct staged_version *version, struct err *err);
int dir_staged_link(struct asset_token *token, u32 index, struct buf *target,
                    struct staged_version *version, struct err *err);
/* The error for a staged copy that is not there: Revoked if its token is gone, else StagedChanged.
 */
int dir_staged_missing(const struct dir_token *token, u32 index, struct err *err);
/* Opens a staged file (`access`: O_RDONLY, O_RDWR) and checks owner, mode and type: a descriptor,
 * or -1 with err. With ENOENT (see err->sys_errno) it may also have been published. */
int dir_staged_descriptor(const struct dir_token *token, u32 index, int access,
                          struct attributes *out, struct err *err);
struct staged_version dir_version_of(const struct attributes *now);
/* A handle; takes `fd`. */
struct dir_file *dir_staged_file(struct dir_token *token, int fd, u32 index);
/* The same checks of a staged link. */
int dir_staged_link_check(const struct dir_token *token, u32 index, struct attributes *out,
                          struct err *err);

/* parts.c */

int dir_stage_reserve(struct asset_file *file, u64 size, struct err *err);
int dir_stage_open(struct asset_token *token, u32 index, struct asset_file **out, struct err *err);
void dir_stage_close(struct asset_file *file);
int dir_stage_adopt(struct asset_file *file, struct asset_token *from, u32 index, u64 offset,
                    u64 length, struct err *err);
int dir_file_data(struct asset_file *file, u64 offset, u64 size, u64 *start, u64 *end,
                  struct err *err);

/* nodes.c */

int dir_stage_node(struct asset_token *token, u32 index, enum object_kind kind, u64 rdev,
                   struct staged_version *out, struct err *err);
int dir_staged_node(struct asset_token *token, u32 index, enum object_kind *kind, u64 *rdev,
                    struct staged_version *version, struct err *err);
/* An O_PATH descriptor of a staged node, with the checks of dir_staged_descriptor. */
int dir_staged_node_descriptor(const struct dir_token *token, u32 index, struct attributes *out,
                               struct err *err);
int dir_stage_hard_link(struct asset_token *token, u32 index, struct asset_directory *directory,
                        struct bytes name, u64 inode, struct err *err);
int dir_publish_hard_link(struct asset_token *token, u32 index, u64 inode, bool over_directory,
                          struct asset_directory *directory, struct bytes name, struct err *err);

/* exchange.c: one object takes another's place, in one step */

/* Renames `from_name` to `to_name`, which must be free (EEXIST). -1 and errno. */
int dir_rename_new(int from, const char *from_name, int to, const char *to_name);
/* The staged directory takes the place of `name` below `fd`, which is no directory and is removed.
 * 1 = done; 0 = a directory is there by now, and stays; -1. */
int dir_replace_by_directory(const struct dir_token *token, const char *staged, int fd,
                             const char *name, struct err *err);
/* The staged object takes the place of the directory `name`, if that is empty; NotEmpty if not, and
 * it stays. */
int dir_replace_directory(const struct dir_token *token, const char *staged, int fd,
                          const char *name, struct err *err);

/* remove.c */

int dir_remove(struct asset_token *token, u32 index, struct asset_directory *directory,
               struct bytes name, const struct attributes *expected, struct err *err);

/* publish.c */

/* The error of a rename into place. */
int dir_explain_rename(int why, struct err *err);
/* ReservedName for the staging area's name at the root. */
int dir_refuse_reserved(const struct dir_directory *directory, const char *name, struct err *err);

int dir_publish_directory(struct asset_token *token, struct bytes path, u32 replaces,
                          struct asset_directory **out, struct err *err);
int dir_publish(struct asset_token *token, u32 index, const struct staged_version *version,
                const struct wanted *wanted, bool over_directory, struct asset_directory *directory,
                struct bytes name, u32 *not_kept, struct err *err);
int dir_publish_make(struct asset_token *token, u32 index, struct asset_directory *directory,
                     struct bytes name, bool replaces, bool *made, struct err *err);
/* parents.c: makes the directory `staged` in the token and renames it to `name` below `fd`. 1 =
 * made, 0 = a directory is there, -1; EACCES below `fd` is told by err->sys_errno. */
int dir_make_below(const struct dir_token *token, const char *staged, int fd, const char *name,
                   bool replaces, struct err *err);

/* extras.c */

/* An object to look at or to dress. */
struct dir_object {
    int fd;
    const char *name; /* below fd, not followed; "" is the object of fd itself */
    bool is_path;     /* fd is an O_PATH descriptor */
    bool privileged;  /* this process is root */
};
struct dir_extras_change {
    struct bytes from; /* frames of attribute records */
    struct bytes to;
    u32 preserve;
};
int dir_extras(struct asset_directory *directory, struct bytes name, u32 preserve, struct buf *out,
               u32 *not_kept, struct err *err);
int dir_file_extras(struct asset_file *file, u32 preserve, struct buf *out, u32 *not_kept,
                    struct err *err);
int dir_object_extras(const struct dir_object *object, u32 preserve, struct buf *out, u32 *not_kept,
                      struct err *err);
/* Makes extras those of `change`, as far as the bits of NOT_KEPT_… in `which` speak of them. *group
 * (if not NULL) gets what extras_group_mode says of a list that could not be set, else -1. */
int dir_object_set_extras(const struct dir_object *object, const struct dir_extras_change *change,
                          u32 which, int *group, u32 *not_kept, struct err *err);

/* attributes.c */

enum dir_dress {
    DRESS_NEW,       /* a staged copy: it has nothing yet, and gets all */
    DRESS_IN_PLACE,  /* all but the time, and what has more extras loses them */
    DRESS_DIRECTORY, /* the same with the time */
};
/* Gives an object what `wanted` says. `now` is as it is. */
int dir_dress(const struct dir_object *object, const struct attributes *now,
              const struct wanted *wanted, enum dir_dress how, u32 *not_kept, struct err *err);
struct timespec dir_timespec(s64 ns);
/* chmod of an O_PATH descriptor. -1 and errno. */
int dir_chmod_path(int fd, u32 mode);
/* An own directory that its owner may not use gets u+rwx, under the lock: 1 = changed, 0 = not, -1.
 */
int dir_make_usable(struct dir_token *token, int fd, struct err *err);
int dir_set_attributes(struct asset_token *token, struct asset_directory *directory,
                       struct bytes name, const struct wanted *wanted, u32 *not_kept,
                       struct err *err);
int dir_set_directory_attributes(struct asset_token *token, struct bytes path,
                                 const struct wanted *wanted, u32 *not_kept, struct err *err);
int dir_set_root_attributes(struct asset *asset, const struct wanted *wanted, u32 *not_kept,
                            struct err *err);

#endif

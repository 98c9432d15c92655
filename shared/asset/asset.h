/* asset.h: what a place that holds data must be able to do, and nothing of how.
 *
 * An asset is named by an address:
 *     dir:/data/photos            a directory tree
 *     mem:NAME                    a tree in the memory of this process (tests)
 *     fault:KEY=VALUE,…;ADDRESS   another asset that fails on purpose (see fault.h)
 *
 * The four processes know this header only. What a driver cannot do is a missing capability, for
 * which asset.c has one generic fallback; callers never branch on the kind.
 *
 * Threads: an asset may be used by many lanes at once; a directory, file or token belongs to one.
 * Paths and names are bytes, relative to the root, valid by base/names.h (checked by the caller
 * that received them; drivers check again what could leave the root). Nothing outside the root is
 * touched, whatever the tree contains and whoever changes it meanwhile. The source is never
 * written.
 *
 * Errors: -1 and a struct err with a code of schema/errors.def. */
#ifndef SYNCLINE_ASSET_ASSET_H
#define SYNCLINE_ASSET_ASSET_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/states.h"
#include "base/types.h"

struct asset_ops;

/* Drivers embed these as first member. */
struct asset {
    const struct asset_ops *ops;
    char *address; /* as it was opened */
    s64 opened_ns; /* clock_boot_ns before the root descriptor was opened */
    /* 0, or the device of which each change of an object, of its extras too, gives it another ctime
     * (set by the driver); an object of another device may be mounted in the tree */
    u64 dated_device;
    /* NULL, or called right before the step of asset_publish that others see (set by fault:) */
    void (*before_publish)(void *context);
    void *before_publish_context;
};
struct asset_directory {
    struct asset *asset;
};
struct asset_file {
    struct asset *asset;
};
struct asset_token {
    struct asset *asset;
};

/* The token of an assignment: names the directory of its grant. */
struct token {
    u64 job;
    u32 epoch;
    u32 sequence;
};

#define TOKEN_NAME_SIZE 48
/* "<job>-<epoch>-<sequence>", decimal. */
void token_name(const struct token *token, char out[TOKEN_NAME_SIZE]);
/* 0, or -1 if it is not such a name. */
int token_parse(struct bytes name, struct token *out);

/* What is known of an object. Times are ns since 1970 and may be negative. */
struct attributes {
    enum object_kind kind;
    u32 mode; /* permission bits, 07777 */
    u32 uid;
    u32 gid;
    u32 links;
    u64 size;
    u64 allocated; /* bytes */
    u64 inode;
    u64 device; /* of the filesystem; with inode it tells objects apart */
    u64 rdev;   /* of a device node */
    s64 mtime_ns;
    s64 ctime_ns;
};

/* What an object is to have, besides its content. Borrowed. */
struct wanted {
    struct attributes attributes;
    u32 preserve;        /* bits of PRESERVE_…: what else is not touched, or left as it is made */
    struct bytes extras; /* frame of attribute records (asset_extras); empty = none */
};

struct entry {
    struct bytes name; /* borrowed until the next call on the directory */
    struct attributes attributes;
    u32 code; /* not Ok: it is there and cannot be asked for, so that the kind is what the listing
                 says (0 = nothing); CrossDevice: something is mounted on it */
};

/* Who an asset is, whatever its name and mount: filesystem id, root inode, birth time. Opaque
 * bytes. */
#define IDENTITY_BYTES_MAX 64
struct identity {
    u8 bytes[IDENTITY_BYTES_MAX];
    u32 size;
};

enum asset_capability {
    ASSET_OWNERS = 1 << 0,  /* has uid, gid */
    ASSET_MODES = 1 << 1,   /* has permission bits */
    ASSET_RENAMES = 1 << 2, /* publish is an atomic rename */
    ASSET_LOOKUP = 1 << 3,  /* directory_lookup is cheap */
    ASSET_DURABLE = 1 << 4, /* settle makes durable */
    ASSET_EXTRAS = 1 << 5,  /* has extended attributes and access control lists */
    ASSET_LINKS = 1 << 6,   /* an object can have several names */
    ASSET_HOLES = 1 << 7,   /* files may have holes, and it says where */
    ASSET_NODES = 1 << 8,   /* has FIFOs and devices */
};

/* The version of a staged copy as somebody saw it; the publisher requires the same. */
struct staged_version {
    u64 inode;
    u64 size;
    s64 ctime_ns;
};

/* ---- an asset ---- */

/* Opens by address. The root must be a directory: SourceMissing and the like are for the probe to
 * say, here it is NotFound, NotADirectory, AccessDenied, Configuration (bad address). */
int asset_open(const char *address, struct asset **out, struct err *err);
/* The path on this machine that an address leads to; NULL if it leads to none. Borrowed from it. */
const char *asset_path_of(const char *address);
void asset_close(struct asset **asset);
/* 1 if the address still leads to the object that is open and it can be settled; 0 if not
 * (unmounted, replaced, or a settle of it failed: then it must be opened anew); -1 on error. */
int asset_is_current(struct asset *asset, struct err *err);
u32 asset_capabilities(const struct asset *asset);

int asset_identity(struct asset *asset, struct identity *out, struct err *err);
/* Filesystem id (8 bytes) and the path of the root within that filesystem, by the mount table, so
 * that bind mounts of the same or of nested directories are recognised. Appends to `out`. */
int asset_place(struct asset *asset, struct buf *out, struct err *err);
/* Relation of two places: are they the same, is one inside the other? */
enum place_relation { PLACE_APART, PLACE_SAME, PLACE_A_IN_B, PLACE_B_IN_A };
enum place_relation place_compare(struct bytes a, struct bytes b);
/* Can entries be listed and read (source), can staging be made (destination)? Writes nothing. */
int asset_check_readable(struct asset *asset, struct err *err);
int asset_check_writable(struct asset *asset, struct err *err);
/* Bytes that its user could still write there, and all of its filesystem. 0 and 0 = not known. */
int asset_space(struct asset *asset, u64 *bytes_free, u64 *bytes_total, struct err *err);

/* An address that leads to nothing yet: could it be made? 0, and the place that it would have is
 * appended: what it would be in is there and takes writes. Writes nothing. NotFound, NotADirectory,
 * AccessDenied, ReadOnly … of what it would be in; Exists. */
int asset_prospect(const char *address, struct buf *place, struct err *err);
/* Makes it, empty, and nothing above it; 0 also if it is there by now. */
int asset_make(const char *address, struct err *err);
/* The root's own attributes. */
int asset_root_attributes(struct asset *asset, struct attributes *out, struct err *err);
/* The asset's own clock, that its ctimes come from. */
s64 asset_now_ns(struct asset *asset);

/* ---- directories: enumerate and look up ---- */

/* Opens the directory at `path`; NotFound, NotADirectory, SymlinkInPath (a link on the way). */
int asset_directory_open(struct asset *asset, struct bytes path, struct asset_directory **out,
                         struct err *err);
/* Opens a child of an open directory. */
int asset_directory_enter(struct asset_directory *parent, struct bytes name,
                          struct asset_directory **out, struct err *err);
void asset_directory_close(struct asset_directory **directory);
/* 1 and the next entry in no particular order, 0 at the end, -1. "." and ".." are not given. At the
 * root the staging area (STAGING_NAME with our marker) is not given either. An entry that vanished
 * between listing and stat is skipped. */
int asset_directory_next(struct asset_directory *directory, struct entry *out, struct err *err);
/* The same, but only directories: the walk down, after the pass over all entries. */
int asset_directory_next_directory(struct asset_directory *directory, struct entry *out,
                                   struct err *err);
/* Names only (kind may be 0 where the listing does not say it, other attributes are not set): to
 * count. */
int asset_directory_next_name(struct asset_directory *directory, struct entry *out,
                              struct err *err);
/* Starts again from the first entry. */
int asset_directory_rewind(struct asset_directory *directory, struct err *err);
/* Where the listing is, to go on from there in a directory opened anew (0 = the beginning). */
u64 asset_directory_position(const struct asset_directory *directory);
int asset_directory_seek(struct asset_directory *directory, u64 position, struct err *err);
/* 1 and the attributes, 0 if there is no such name, -1. Symlinks are not followed. */
int asset_directory_lookup(struct asset_directory *directory, struct bytes name,
                           struct attributes *out, struct err *err);
int asset_directory_attributes(struct asset_directory *directory, struct attributes *out,
                               struct err *err);

/* Appends a frame of `attribute` records, in order of name, with the extended attributes
 * (PRESERVE_xattrs) and access control lists (PRESERVE_acls) of `name`, or of the directory itself
 * if name is empty; appends nothing if there are none. Only what this process could set again is
 * given: user.* always; trusted.* and security.* (capabilities) as root; *not_kept tells of
 * capabilities that are left out for that. More than EXTRAS_BYTES: nothing is given, and *not_kept
 * says so. Symlinks are not followed. */
int asset_extras(struct asset_directory *directory, struct bytes name, u32 preserve,
                 struct buf *out, u32 *not_kept, struct err *err);

/* ---- reading a source ---- */

/* Opens a regular file for reading, never following a link, never blocking on a FIFO;
 * UnsupportedKind if it is something else by now, NotFound if gone. Fills attributes from the open
 * file. */
int asset_file_open(struct asset_directory *directory, struct bytes name, struct asset_file **out,
                    struct attributes *attributes, struct err *err);
/* Bytes read (0 = end), may be short only at the end of the file, -1. */
s64 asset_file_read(struct asset_file *file, void *buffer, size_t size, u64 offset,
                    struct err *err);
int asset_file_attributes(struct asset_file *file, struct attributes *out, struct err *err);
/* 1 and the next run of data at or after `offset`, below `size`; 0 if there is only a hole from
 * there on. An asset without ASSET_HOLES says that all is data. */
int asset_file_data(struct asset_file *file, u64 offset, u64 size, u64 *start, u64 *end,
                    struct err *err);
/* As asset_extras, of the open file. */
int asset_file_extras(struct asset_file *file, u32 preserve, struct buf *out, u32 *not_kept,
                      struct err *err);
/* What is read from now on comes from the medium, where that can be had: what was written to the
 * file is brought there first, and then forgotten. */
void asset_file_uncached(struct asset_file *file);
/* Closes a file opened for reading. (A staged file being written is ended by
 * stage_end/stage_abort.) */
void asset_file_close(struct asset_file **file);
/* Appends the target of a symbolic link. */
int asset_read_link(struct asset_directory *directory, struct bytes name, struct buf *target,
                    struct attributes *attributes, struct err *err);

/* ---- the right to write: staging area and tokens (ARCHITECTURE, Tokens) ---- */

/* Makes the staging area if it is not there, revokes every token in it that is not of (job, epoch),
 * and gives the asset's clock as it was before anything could be published.
 * ReservedName if a user's own object has the name. */
int asset_staging_open(struct asset *asset, u64 job, u32 epoch, s64 *now_ns, struct err *err);
/* Makes the directories of `count` tokens from `first` on. Without a staging area: Revoked. */
int asset_grant(struct asset *asset, const struct token *first, u32 count, struct err *err);
/* Takes the right away: when it returns, whoever holds the token can publish nothing more. With
 * sequence 0: every token of the job with another epoch. A token that does not exist is no error.
 * *clean is false if somebody still was inside an in-place change after LOCK_WAIT_MS. */
int asset_revoke(struct asset *asset, const struct token *token, bool *clean, struct err *err);
/* Removes the staging area with all that is in it. */
int asset_staging_close(struct asset *asset, struct err *err);

/* Opens a granted token; Revoked if its directory is not there. Never makes it. */
int asset_token_open(struct asset *asset, const struct token *token, struct asset_token **out,
                     struct err *err);
/* Gives the handle back; the grant stays. */
void asset_token_close(struct asset_token **token);
/* The batch is done: removes the grant with what is left in it. */
int asset_token_end(struct asset_token **token, struct err *err);

/* ---- staging: copies that nobody sees yet; named by the item's place in its batch ---- */

/* A new, private, empty file. If one is there from an earlier try under this token it is replaced.
 */
int asset_stage_file(struct asset_token *token, u32 index, struct asset_file **out,
                     struct err *err);
/* Writes all or fails. Offsets only grow. */
int asset_stage_write(struct asset_file *file, const void *data, size_t size, u64 offset,
                      struct err *err);
/* Closes it and gives its version. */
int asset_stage_end(struct asset_file **file, struct staged_version *out, struct err *err);
/* Closes and removes it. */
void asset_stage_abort(struct asset_file **file);
/* The file gets this size; what is not written stays a hole where the asset has them. */
int asset_stage_reserve(struct asset_file *file, u64 size, struct err *err);
/* Opens a staged file that is there, to write into (parts of one file, by several movers). */
int asset_stage_open(struct asset_token *token, u32 index, struct asset_file **out,
                     struct err *err);
/* Closes it and leaves it there, whatever its state. */
void asset_stage_close(struct asset_file **file);
/* Copies a range from the staged copy `index` under another token into `file`, holes too. */
int asset_stage_adopt(struct asset_file *file, struct asset_token *from, u32 index, u64 offset,
                      u64 length, struct err *err);
/* A FIFO or device node, 0600. AccessDenied without the privilege; UnsupportedKind. */
int asset_stage_node(struct asset_token *token, u32 index, enum object_kind kind, u64 rdev,
                     struct staged_version *out, struct err *err);
/* A name more, in staging, of the object `name` in a directory of this asset, which must be
 * `inode` (Changed if not, NotFound if gone). Symlinks are not followed. */
int asset_stage_hard_link(struct asset_token *token, u32 index, struct asset_directory *directory,
                          struct bytes name, u64 inode, struct err *err);
int asset_stage_link(struct asset_token *token, u32 index, struct bytes target,
                     struct staged_version *out, struct err *err);
void asset_stage_remove(struct asset_token *token, u32 index);

/* ---- proving: reading back what was staged, by another process ---- */

/* Opens the staged file and gives its version; refuses (StagedChanged) another owner, mode or type
 * than staging makes. `uncached`: what is read comes from the medium where that can be had. */
int asset_staged_open(struct asset_token *token, u32 index, bool uncached, struct asset_file **out,
                      struct staged_version *version, struct err *err);
/* Appends the target of the staged link. */
int asset_staged_link(struct asset_token *token, u32 index, struct buf *target,
                      struct staged_version *version, struct err *err);

/* What the staged node is. */
int asset_staged_node(struct asset_token *token, u32 index, enum object_kind *kind, u64 *rdev,
                      struct staged_version *version, struct err *err);

/* ---- publishing ---- */

/* Opens the directory at `path` for publishing into; makes those that are missing on the way (0700,
 * by rename out of the token). Makes an own directory writable for its owner if it is not: its
 * attributes are set again in the close. Occupied if something else is there, unless it is the
 * component number `replaces` (from 1; 0 = none) and no directory: then a new directory takes its
 * place, and it is removed. */
int asset_publish_directory(struct asset_token *token, struct bytes path, u32 replaces,
                            struct asset_directory **out, struct err *err);
/* Renames the staged copy to `name`. Before: opens it, requires `version`, sets owner, mode,
 * extras, mtime, in this order, as far as `wanted` says. 0 = published. Revoked if the token is
 * gone and the target is not the proven inode (if it is: 0). Occupied if a directory is there; with
 * `over_directory` an empty one makes way, in one step (NotEmpty if it is not, and it stays).
 * *not_kept gets bits of NOT_KEPT_…. */
int asset_publish(struct asset_token *token, u32 index, const struct staged_version *version,
                  const struct wanted *wanted, bool over_directory,
                  struct asset_directory *directory, struct bytes name, u32 *not_kept,
                  struct err *err);
/* Renames what asset_stage_hard_link made to `name`; 0 also if `name` is that object already.
 * `over_directory` as of asset_publish. */
int asset_publish_hard_link(struct asset_token *token, u32 index, u64 inode, bool over_directory,
                            struct asset_directory *directory, struct bytes name, struct err *err);
/* Makes a directory in place (by rename out of the token) with 0700; *made is false if one is
 * there. With `replaces`, something else that is there makes way in the same step. */
int asset_publish_make(struct asset_token *token, u32 index, struct asset_directory *directory,
                       struct bytes name, bool replaces, bool *made, struct err *err);
/* Removes `name` if it still is `expected` (kind, inode; of what is no directory, ctime too; but of
 * what had several links its size and mtime, as its ctime changes with each name that it gains or
 * loses): by a rename into the token, which a revoked one cannot make; a directory by rmdir under
 * the token's lock. NotFound if it is gone, Changed if it is another object, NotEmpty, Revoked.
 * Never goes down into a directory. */
int asset_remove(struct asset_token *token, u32 index, struct asset_directory *directory,
                 struct bytes name, const struct attributes *expected, struct err *err);
/* In-place changes, under the token's lock: Revoked if the token is gone. A regular file with more
 * links than one is refused (Occupied): it is to be put again. */
int asset_set_attributes(struct asset_token *token, struct asset_directory *directory,
                         struct bytes name, const struct wanted *wanted, u32 *not_kept,
                         struct err *err);
/* The same of the directory at `path`, its mtime too; "" is the root. */
int asset_set_directory_attributes(struct asset_token *token, struct bytes path,
                                   const struct wanted *wanted, u32 *not_kept, struct err *err);
/* The root's, after the staging area is gone: no token. */
int asset_set_root_attributes(struct asset *asset, const struct wanted *wanted, u32 *not_kept,
                              struct err *err);
/* Makes durable all that was written to the asset from this host until now, and reports an error of
 * write-back that happened since the asset was opened. */
int asset_settle(struct asset *asset, struct err *err);

/* ---- for drivers ---- */

/* One row per function above; `required` ones are never NULL. Each has the contract of its
 * namesake. */
struct asset_ops {
    const char *scheme;
    u32 capabilities;
    const char *(*path)(const char *rest); /* see asset_path_of; may be NULL */
    int (*open)(const char *rest, struct asset **out, struct err *err);
    void (*close)(struct asset *asset);
    int (*is_current)(struct asset *asset, struct err *err);
    int (*identity)(struct asset *asset, struct identity *out, struct err *err);
    int (*place)(struct asset *asset, struct buf *out, struct err *err);
    int (*check_readable)(struct asset *asset, struct err *err);
    int (*check_writable)(struct asset *asset, struct err *err);
    int (*space)(struct asset *asset, u64 *bytes_free, u64 *bytes_total, struct err *err);
    int (*prospect)(const char *rest, struct buf *place, struct err *err);
    int (*make)(const char *rest, struct err *err);
    int (*root_attributes)(struct asset *asset, struct attributes *out, struct err *err);
    s64 (*now_ns)(struct asset *asset);

    int (*directory_open)(struct asset *asset, struct bytes path, struct asset_directory **out,
                          struct err *err);
    int (*directory_enter)(struct asset_directory *parent, struct bytes name,
                           struct asset_directory **out, struct err *err);
    void (*directory_close)(struct asset_directory *directory);
    int (*directory_next)(struct asset_directory *directory, struct entry *out, struct err *err);
    int (*directory_next_directory)(struct asset_directory *directory, struct entry *out,
                                    struct err *err);
    int (*directory_next_name)(struct asset_directory *directory, struct entry *out,
                               struct err *err);
    u64 (*directory_position)(const struct asset_directory *directory);
    int (*directory_seek)(struct asset_directory *directory, u64 position, struct err *err);
    int (*directory_lookup)(struct asset_directory *directory, struct bytes name,
                            struct attributes *out, struct err *err);
    int (*directory_attributes)(struct asset_directory *directory, struct attributes *out,
                                struct err *err);
    int (*extras)(struct asset_directory *directory, struct bytes name, u32 preserve,
                  struct buf *out, u32 *not_kept, struct err *err);

    int (*file_open)(struct asset_directory *directory, struct bytes name, struct asset_file **out,
                     struct attributes *attributes, struct err *err);
    s64 (*file_read)(struct asset_file *file, void *buffer, size_t size, u64 offset,
                     struct err *err);
    int (*file_attributes)(struct asset_file *file, struct attributes *out, struct err *err);
    int (*file_data)(struct asset_file *file, u64 offset, u64 size, u64 *start, u64 *end,
                     struct err *err);
    int (*file_extras)(struct asset_file *file, u32 preserve, struct buf *out, u32 *not_kept,
                       struct err *err);
    void (*file_uncached)(struct asset_file *file);
    void (*file_close)(struct asset_file *file);
    int (*read_link)(struct asset_directory *directory, struct bytes name, struct buf *target,
                     struct attributes *attributes, struct err *err);

    int (*staging_open)(struct asset *asset, u64 job, u32 epoch, s64 *now_ns, struct err *err);
    int (*grant)(struct asset *asset, const struct token *first, u32 count, struct err *err);
    int (*revoke)(struct asset *asset, const struct token *token, bool *clean, struct err *err);
    int (*staging_close)(struct asset *asset, struct err *err);
    int (*token_open)(struct asset *asset, const struct token *token, struct asset_token **out,
                      struct err *err);
    void (*token_close)(struct asset_token *token);
    int (*token_end)(struct asset_token *token, struct err *err); /* frees the handle, always */

    int (*stage_file)(struct asset_token *token, u32 index, struct asset_file **out,
                      struct err *err);
    int (*stage_write)(struct asset_file *file, const void *data, size_t size, u64 offset,
                       struct err *err);
    int (*stage_end)(struct asset_file *file, struct staged_version *out, struct err *err);
    void (*stage_abort)(struct asset_file *file);
    int (*stage_reserve)(struct asset_file *file, u64 size, struct err *err);
    int (*stage_open)(struct asset_token *token, u32 index, struct asset_file **out,
                      struct err *err);
    void (*stage_close)(struct asset_file *file);
    int (*stage_adopt)(struct asset_file *file, struct asset_token *from, u32 index, u64 offset,
                       u64 length, struct err *err);
    int (*stage_node)(struct asset_token *token, u32 index, enum object_kind kind, u64 rdev,
                      struct staged_version *out, struct err *err);
    int (*stage_hard_link)(struct asset_token *token, u32 index, struct asset_directory *directory,
                           struct bytes name, u64 inode, struct err *err);
    int (*stage_link)(struct asset_token *token, u32 index, struct bytes target,
                      struct staged_version *out, struct err *err);
    void (*stage_remove)(struct asset_token *token, u32 index);
    int (*staged_open)(struct asset_token *token, u32 index, bool uncached, struct asset_file **out,
                       struct staged_version *version, struct err *err);
    int (*staged_link)(struct asset_token *token, u32 index, struct buf *target,
                       struct staged_version *version, struct err *err);
    int (*staged_node)(struct asset_token *token, u32 index, enum object_kind *kind, u64 *rdev,
                       struct staged_version *version, struct err *err);

    int (*publish_directory)(struct asset_token *token, struct bytes path, u32 replaces,
                             struct asset_directory **out, struct err *err);
    int (*publish)(struct asset_token *token, u32 index, const struct staged_version *version,
                   const struct wanted *wanted, bool over_directory,
                   struct asset_directory *directory, struct bytes name, u32 *not_kept,
                   struct err *err);
    int (*publish_hard_link)(struct asset_token *token, u32 index, u64 inode, bool over_directory,
                             struct asset_directory *directory, struct bytes name, struct err *err);
    int (*publish_make)(struct asset_token *token, u32 index, struct asset_directory *directory,
                        struct bytes name, bool replaces, bool *made, struct err *err);
    int (*remove)(struct asset_token *token, u32 index, struct asset_directory *directory,
                  struct bytes name, const struct attributes *expected, struct err *err);
    int (*set_attributes)(struct asset_token *token, struct asset_directory *directory,
                          struct bytes name, const struct wanted *wanted, u32 *not_kept,
                          struct err *err);
    int (*set_directory_attributes)(struct asset_token *token, struct bytes path,
                                    const struct wanted *wanted, u32 *not_kept, struct err *err);
    int (*set_root_attributes)(struct asset *asset, const struct wanted *wanted, u32 *not_kept,
                               struct err *err);
    int (*settle)(struct asset *asset, struct err *err);
};

extern const struct asset_ops asset_dir_ops;
extern const struct asset_ops asset_mem_ops;
extern const struct asset_ops asset_fault_ops;

#endif

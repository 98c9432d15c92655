/* fault_wrap.h: the handles of the fault driver, each around one of the wrapped asset; for
 * fault*.c. */
#ifndef SYNCLINE_ASSET_FAULT_WRAP_H
#define SYNCLINE_ASSET_FAULT_WRAP_H

#include "asset/fault.h"

struct fault_asset {
    struct asset base;
    struct asset_ops ops;
    struct asset *inner;
    struct fault_options options;
    struct fault_counts *counts; /* of the process; borrowed */
};
struct fault_directory {
    struct asset_directory base;
    struct asset_directory *inner;
};
struct fault_token {
    struct asset_token base;
    struct asset_token *inner;
};
struct fault_file {
    struct asset_file base;
    struct asset_file *inner;
    u64 written; /* bytes so far */
    u64 at;      /* the place of the byte that corruption would change, and the byte */
    u8 byte;
};

static inline struct fault_asset *fault_of(struct asset *asset)
{
    return (struct fault_asset *)asset;
}

static inline struct asset *fault_inner(struct asset *asset)
{
    return fault_of(asset)->inner;
}

static inline struct asset_directory *fault_inner_directory(const struct asset_directory *directory)
{
    return ((const struct fault_directory *)directory)->inner;
}

static inline struct asset_token *fault_inner_token(struct asset_token *token)
{
    return ((struct fault_token *)token)->inner;
}

static inline struct asset_file *fault_inner_file(struct asset_file *file)
{
    return ((struct fault_file *)file)->inner;
}

/* Counts one more and says whether it is an `every`th; never if that is 0. */
bool fault_is_every(struct fault_asset *asset, u64 *count, u64 every);
/* Counts one more and says whether it is among the `first`. */
bool fault_is_first(struct fault_asset *asset, u64 *count, u64 first);
/* Takes `inner`. */
int fault_wrap_directory(struct asset *asset, struct asset_directory *inner,
                         struct asset_directory **out);

/* fault_work.c: files, staging and publishing */
int fault_file_open(struct asset_directory *directory, struct bytes name, struct asset_file **out,
                    struct attributes *attributes, struct err *err);
s64 fault_file_read(struct asset_file *file, void *buffer, size_t size, u64 offset,
                    struct err *err);
int fault_file_attributes(struct asset_file *file, struct attributes *out, struct err *err);
void fault_file_uncached(struct asset_file *file);
int fault_file_data(struct asset_file *file, u64 offset, u64 size, u64 *start, u64 *end,
                    struct err *err);
int fault_file_extras(struct asset_file *file, u32 preserve, struct buf *out, u32 *not_kept,
                      struct err *err);
void fault_file_close(struct asset_file *file);
int fault_read_link(struct asset_directory *directory, struct bytes name, struct buf *target,
                    struct attributes *attributes, struct err *err);
int fault_staging_open(struct asset *asset, u64 job, u32 epoch, s64 *now_ns, struct err *err);
int fault_grant(struct asset *asset, const struct token *first, u32 count, struct err *err);
int fault_revoke(struct asset *asset, const struct token *token, bool *clean, struct err *err);
int fault_staging_close(struct asset *asset, struct err *err);
int fault_token_open(struct asset *asset, const struct token *token, struct asset_token **out,
                     struct err *err);
void fault_token_close(struct asset_token *token);
int fault_token_end(struct asset_token *token, struct err *err);
int fault_stage_file(struct asset_token *token, u32 index, struct asset_file **out,
                     struct err *err);
int fault_stage_write(struct asset_file *file, const void *data, size_t size, u64 offset,
                      struct err *err);
int fault_stage_end(struct asset_file *file, struct staged_version *out, struct err *err);
void fault_stage_abort(struct asset_file *file);
int fault_stage_reserve(struct asset_file *file, u64 size, struct err *err);
int fault_stage_open(struct asset_token *token, u32 index, struct asset_file **out,
                     struct err *err);
void fault_stage_close(struct asset_file *file);
int fault_stage_adopt(struct asset_file *file, struct asset_token *from, u32 index, u64 offset,
                      u64 length, struct err *err);
int fault_stage_node(struct asset_token *token, u32 index, enum object_kind kind, u64 rdev,
                     struct staged_version *out, struct err *err);
int fault_stage_hard_link(struct asset_token *token, u32 index, struct asset_directory *directory,
                          struct bytes name, u64 inode, struct err *err);
int fault_stage_link(struct asset_token *token, u32 index, struct bytes target,
                     struct staged_version *out, struct err *err);
void fault_stage_remove(struct asset_token *token, u32 index);
int fault_staged_open(struct asset_token *token, u32 index, bool uncached, struct asset_file **out,
                      struct staged_version *version, struct err *err);
int fault_staged_link(struct asset_token *token, u32 index, struct buf *target,
                      struct staged_version *version, struct err *err);
int fault_staged_node(struct asset_token *token, u32 index, enum object_kind *kind, u64 *rdev,
                      struct staged_version *version, struct err *err);
int fault_publish_directory(struct asset_token *token, struct bytes path, u32 replaces,
                            struct asset_directory **out, struct err *err);
int fault_publish(struct asset_token *token, u32 index, const struct staged_version *version,
                  const struct wanted *wanted, bool over_directory,
                  struct asset_directory *directory, struct bytes name, u32 *not_kept,
                  struct err *err);
int fault_publish_hard_link(struct asset_token *token, u32 index, u64 inode, bool over_directory,
                            struct asset_directory *directory, struct bytes name, struct err *err);
int fault_remove(struct asset_token *token, u32 index, struct asset_directory *directory,
                 struct bytes name, const struct attributes *expected, struct err *err);
int fault_publish_make(struct asset_token *token, u32 index, struct asset_directory *directory,
                       struct bytes name, bool replaces, bool *made, struct err *err);
int fault_set_attributes(struct asset_token *token, struct asset_directory *directory,
                         struct bytes name, const struct wanted *wanted, u32 *not_kept,
                         struct err *err);
int fault_set_directory_attributes(struct asset_token *token, struct bytes path,
                                   const struct wanted *wanted, u32 *not_kept, struct err *err);
int fault_set_root_attributes(struct asset *asset, const struct wanted *wanted, u32 *not_kept,
                              struct err *err);

#endif

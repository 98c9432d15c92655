/* asset_write.c: the other half of asset.c: grants, staging, proving, publishing.
 *
 * How: as there. An operation that a driver does not have is refused in words where it has been
 * asked for by mistake: capabilities say beforehand what an asset can do. */
#include "asset/asset.h"

static int missing(const struct asset *asset, const char *what, struct err *err)
{
    return err_set(err, ERR_UnsupportedKind, "%.300s: this kind of asset cannot %s", asset->address,
                   what);
}

/* ---- staging area and tokens ---- */

int asset_staging_open(struct asset *asset, u64 job, u32 epoch, s64 *now_ns, struct err *err)
{
    return asset->ops->staging_open(asset, job, epoch, now_ns, err);
}

int asset_grant(struct asset *asset, const struct token *first, u32 count, struct err *err)
{
    return asset->ops->grant(asset, first, count, err);
}

int asset_revoke(struct asset *asset, const struct token *token, bool *clean, struct err *err)
{
    *clean = true;
    return asset->ops->revoke(asset, token, clean, err);
}

int asset_staging_close(struct asset *asset, struct err *err)
{
    return asset->ops->staging_close(asset, err);
}

int asset_token_open(struct asset *asset, const struct token *token, struct asset_token **out,
                     struct err *err)
{
    *out = NULL;
    return asset->ops->token_open(asset, token, out, err);
}

void asset_token_close(struct asset_token **token)
{
    if (*token)
        (*token)->asset->ops->token_close(*token);
    *token = NULL;
}

int asset_token_end(struct asset_token **token, struct err *err)
{
    int result = *token ? (*token)->asset->ops->token_end(*token, err) : 0;

    *token = NULL;
    return result;
}

/* ---- staging and proving ---- */

int asset_stage_file(struct asset_token *token, u32 index, struct asset_file **out, struct err *err)
{
    *out = NULL;
    return token->asset->ops->stage_file(token, index, out, err);
}

int asset_stage_write(struct asset_file *file, const void *data, size_t size, u64 offset,
                      struct err *err)
{
    return file->asset->ops->stage_write(file, data, size, offset, err);
}

int asset_stage_end(struct asset_file **file, struct staged_version *out, struct err *err)
{
    if ((*file)->asset->ops->stage_end(*file, out, err) < 0)
        return -1;
    *file = NULL;
    return 0;
}

void asset_stage_abort(struct asset_file **file)
{
    if (*file)
        (*file)->asset->ops->stage_abort(*file);
    *file = NULL;
}

int asset_stage_reserve(struct asset_file *file, u64 size, struct err *err)
{
    return file->asset->ops->stage_reserve ? file->asset->ops->stage_reserve(file, size, err) : 0;
}

int asset_stage_open(struct asset_token *token, u32 index, struct asset_file **out, struct err *err)
{
    *out = NULL;
    if (!token->asset->ops->stage_open)
        return missing(token->asset, "have one staged copy written by several", err);
    return token->asset->ops->stage_open(token, index, out, err);
}

/* Where nobody can open it again, an ended one is as good as one that is left as it is. */
void asset_stage_close(struct asset_file **file)
{
    struct staged_version version;
    struct err ignored = {0};

    if (!*file)
        return;
    if ((*file)->asset->ops->stage_close)
        (*file)->asset->ops->stage_close(*file);
    else if ((*file)->asset->ops->stage_end(*file, &version, &ignored) < 0)
        (*file)->asset->ops->stage_abort(*file);
    *file = NULL;
}

int asset_stage_adopt(struct asset_file *file, struct asset_token *from, u32 index, u64 offset,
                      u64 length, struct err *err)
{
    if (!file->asset->ops->stage_adopt)
        return missing(file->asset, "have one staged copy written by several", err);
    return file->asset->ops->stage_adopt(file, from, index, offset, length, err);
}

int asset_stage_node(struct asset_token *token, u32 index, enum object_kind kind, u64 rdev,
                     struct staged_version *out, struct err *err)
{
    if (!token->asset->ops->stage_node)
        return missing(token->asset, "have FIFOs and devices", err);
    return token->asset->ops->stage_node(token, index, kind, rdev, out, err);
}

int asset_stage_hard_link(struct asset_token *token, u32 index, struct asset_directory *directory,
                          struct bytes name, u64 inode, struct err *err)
{
    if (!token->asset->ops->stage_hard_link)
        return missing(token->asset, "have several names of one object", err);
    return token->asset->ops->stage_hard_link(token, index, directory, name, inode, err);
}

int asset_stage_link(struct asset_token *token, u32 index, struct bytes target,
                     struct staged_version *out, struct err *err)
{
    return token->asset->ops->stage_link(token, index, target, out, err);
}

void asset_stage_remove(struct asset_token *token, u32 index)
{
    token->asset->ops->stage_remove(token, index);
}

int asset_staged_open(struct asset_token *token, u32 index, bool uncached, struct asset_file **out,
                      struct staged_version *version, struct err *err)
{
    *out = NULL;
    return token->asset->ops->staged_open(token, index, uncached, out, version, err);
}

int asset_staged_link(struct asset_token *token, u32 index, struct buf *target,
                      struct staged_version *version, struct err *err)
{
    return token->asset->ops->staged_link(token, index, target, version, err);
}

int asset_staged_node(struct asset_token *token, u32 index, enum object_kind *kind, u64 *rdev,
                      struct staged_version *version, struct err *err)
{
    if (!token->asset->ops->staged_node)
        return missing(token->asset, "have FIFOs and devices", err);
    return token->asset->ops->staged_node(token, index, kind, rdev, version, err);
}

/* ---- publishing ---- */

int asset_publish_directory(struct asset_token *token, struct bytes path, u32 replaces,
                            struct asset_directory **out, struct err *err)
{
    *out = NULL;
    return token->asset->ops->publish_directory(token, path, replaces, out, err);
}

int asset_publish(struct asset_token *token, u32 index, const struct staged_version *version,
                  const struct wanted *wanted, bool over_directory,
                  struct asset_directory *directory, struct bytes name, u32 *not_kept,
                  struct err *err)
{
    *not_kept = 0;
    return token->asset->ops->publish(token, index, version, wanted, over_directory, directory,
                                      name, not_kept, err);
}

int asset_publish_hard_link(struct asset_token *token, u32 index, u64 inode, bool over_directory,
                            struct asset_directory *directory, struct bytes name, struct err *err)
{
    if (!token->asset->ops->publish_hard_link)
        return missing(token->asset, "have several names of one object", err);
    return token->asset->ops->publish_hard_link(token, index, inode, over_directory, directory,
                                                name, err);
}

int asset_publish_make(struct asset_token *token, u32 index, struct asset_directory *directory,
                       struct bytes name, bool replaces, bool *made, struct err *err)
{
    *made = false;
    return token->asset->ops->publish_make(token, index, directory, name, replaces, made, err);
}

int asset_remove(struct asset_token *token, u32 index, struct asset_directory *directory,
                 struct bytes name, const struct attributes *expected, struct err *err)
{
    if (!token->asset->ops->remove)
        return missing(token->asset, "remove objects", err);
    return token->asset->ops->remove(token, index, directory, name, expected, err);
}

int asset_set_attributes(struct asset_token *token, struct asset_directory *directory,
                         struct bytes name, const struct wanted *wanted, u32 *not_kept,
                         struct err *err)
{
    *not_kept = 0;
    if (!token->asset->ops
             ->set_attributes) /* nothing to set: what the asset lacks is not an error */
        return 0;
    return token->asset->ops->set_attributes(token, directory, name, wanted, not_kept, err);
}

int asset_set_directory_attributes(struct asset_token *token, struct bytes path,
                                   const struct wanted *wanted, u32 *not_kept, struct err *err)
{
    *not_kept = 0;
    if (!token->asset->ops->set_directory_attributes)
        return 0;
    return token->asset->ops->set_directory_attributes(token, path, wanted, not_kept, err);
}

int asset_set_root_attributes(struct asset *asset, const struct wanted *wanted, u32 *not_kept,
                              struct err *err)
{
    *not_kept = 0;
    if (!asset->ops->set_root_attributes)
        return 0;
    return asset->ops->set_root_attributes(asset, wanted, not_kept, err);
}

int asset_settle(struct asset *asset, struct err *err)
{
    if (asset->ops->settle)
        return asset->ops->settle(asset, err);
    return err_set(err, ERR_SettleFailed, "%.300s: this kind of asset cannot say what is durable",
                   asset->address);
}

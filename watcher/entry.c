/* entry.c: see entry.h.
 *
 * How: one look-up by name at the destination, and none where the whole directory is missing or
 * empty there. Only what looks equal costs more: of two links the targets are read, and where they
 * are kept, extended attributes and access control lists of both: a call a side if there are none,
 * and no call where that is known already (bare.h). Content comes last, as it costs most. */
#include "entry.h"

void entry_decider_release(struct entry_decider *decider)
{
    checksum_release(&decider->checksum);
    buf_release(&decider->of_source);
    buf_release(&decider->of_destination);
}

/* 1 and the counterpart's attributes, 0 if there is none, -1. */
static int look_up(struct walk_level *level, struct bytes name, struct attributes *out,
                   struct err *err)
{
    int found;

    if (!level->present || level->bare)
        return 0;
    found = asset_directory_lookup(level->destination, name, out, err);
    level->matched += found == 1;
    return found;
}

/* Something could not be read at the source: 0 if that is because it is gone. */
static int refuse_source(struct entry_verdict *out, const struct err *err)
{
    if (err->code == ERR_NotFound)
        return 0;
    out->decision = compare_refuse(err->code);
    return 1;
}

static int decide_link(struct entry_decider *decider, struct walk_level *level, struct bytes name,
                       struct entry_verdict *out)
{
    struct attributes attributes;
    struct err err;

    buf_clear(&decider->of_source);
    buf_clear(&decider->of_destination);
    if (asset_read_link(level->source, name, &decider->of_source, &attributes, &err) < 0)
        return refuse_source(out, &err);
    if (asset_read_link(level->destination, name, &decider->of_destination, &attributes, &err) < 0)
        out->decision = compare_put_blindly(); /* whatever it is now, a new link takes its place */
    else
        out->decision =
            compare_targets(buf_bytes(&decider->of_source), buf_bytes(&decider->of_destination));
    return 1;
}

/* What the object has of extras, as far as the rules say. */
static int extras_of(struct entry_decider *decider, const struct entry_side *side,
                     struct bytes name, struct buf *out, struct err *err)
{
    struct asset *asset = side->directory->asset;
    bool dated = asset->dated_device != 0 && asset->dated_device == side->attributes->device;
    struct bare_set *bare = dated ? decider->bare : NULL;
    u32 which = decider->rules.extras, not_kept = 0;
    s64 now_ns;

    buf_clear(out);
    if (bare && bare_has(bare, side->attributes, which))
        return 0;
    now_ns = bare ? asset_now_ns(asset) : 0;
    if (asset_extras(side->directory, name, which, out, &not_kept, err) < 0)
        return -1;
    if (bare && out->size == 0 && not_kept == 0)
        bare_add(bare, side->attributes, which, now_ns);
    return 0;
}

int entry_extras_differ(struct entry_decider *decider, const struct entry_side *source,
                        const struct entry_side *destination, struct bytes name, bool *of_source,
                        struct err *err)
{
    *of_source = true;
    if (decider->rules.extras == 0)
        return 0;
    if (extras_of(decider, source, name, &decider->of_source, err) < 0)
        return -1;
    *of_source = false;
    if (extras_of(decider, destination, name, &decider->of_destination, err) < 0)
        return -1;
    return !bytes_equal(buf_bytes(&decider->of_source), buf_bytes(&decider->of_destination));
}

static int decide_extras(struct entry_decider *decider, struct walk_level *level, struct bytes name,
                         const struct attributes *source, struct entry_verdict *out)
{
    struct entry_side from = {level->source, source}, to = {level->destination, &out->there};
    bool of_source;
    struct err err;
    int differ = entry_extras_differ(decider, &from, &to, name, &of_source, &err);

    if (differ < 0 && of_source)
        return refuse_source(out, &err);
    if (differ < 0 && err.code != ERR_NotFound)
        out->decision = compare_refuse(err.code);
    else if (differ) /* also if it is gone by now */
        out->decision = compare_extras(source, &out->there);
    return 1;
}

static int decide_content(struct entry_decider *decider, struct walk_level *level,
                          struct bytes name, const struct attributes *source,
                          struct entry_verdict *out)
{
    struct err err;

    switch (checksum_compare(&decider->checksum, decider->emitter, level->source,
                             level->destination, name, source, &out->there, &err)) {
    case CHECKSUM_SAME:
        break;
    case CHECKSUM_DIFFERS:
        out->decision = compare_put_blindly();
        break;
    case CHECKSUM_GONE:
        return 0;
    case CHECKSUM_FAILED:
        out->decision = compare_refuse(err.code);
        break;
    }
    return 1;
}

int entry_decide(struct entry_decider *decider, struct walk_level *level, struct bytes name,
                 const struct attributes *source, struct entry_verdict *out)
{
    struct err err;
    int found;

    *out = (struct entry_verdict){0};
    /* Our own staging area never gets here: who lists it hides it. */
    if (level->path_size == 0 && bytes_equal(name, bytes_text(STAGING_NAME))) {
        out->decision = compare_refuse(ERR_ReservedName);
        return 1;
    }
    found = look_up(level, name, &out->there, &err);
    if (found < 0) {
        out->decision = compare_refuse(err.code);
        return 1;
    }
    out->is_there = found == 1;
    out->decision = compare_objects(source, found ? &out->there : NULL, &decider->rules);
    if (out->decision.targets && !decide_link(decider, level, name, out))
        return 0;
    if (out->decision.operation == 0 && decider->rules.extras &&
        !decide_extras(decider, level, name, source, out))
        return 0;
    if (decider->content && source->kind == KIND_file && source->size > 0 &&
        (out->decision.operation == 0 || out->decision.operation == OPERATION_attributes))
        return decide_content(decider, level, name, source, out);
    return 1;
}

/* entry.c: see entry.h.
 *
 * How: one look-up by name at the destination, and none where the whole directory is missing or
 * empty there. Only two links that look equal cost more: their targets are read. */
#include "entry.h"

void entry_decider_release(struct entry_decider *decider)
{
    buf_release(&decider->source_target);
    buf_release(&decider->destination_target);
}

/* 1 and the counterpart's attributes, 0 if there is none, -1. */
static int look_up(struct walk_level *level, struct bytes name, struct attributes *out,
                   struct err *err)
{
    int found;

    if (!level->present || (level->counted && level->names == 0))
        return 0;
    found = asset_directory_lookup(level->destination, name, out, err);
    level->matched += found == 1;
    return found;
}

static int decide_link(struct entry_decider *decider, struct walk_level *level, struct bytes name,
                       struct compare_decision *out)
{
    struct attributes attributes;
    struct err err;

    buf_clear(&decider->source_target);
    buf_clear(&decider->destination_target);
    if (asset_read_link(level->source, name, &decider->source_target, &attributes, &err) < 0) {
        if (err.code == ERR_NotFound)
            return 0;
        *out = compare_refuse(err.code);
        return 1;
    }
    if (asset_read_link(level->destination, name, &decider->destination_target, &attributes, &err) <
        0)
        *out = compare_put_blindly(); /* whatever it is now, a new link takes its place */
    else
        *out = compare_targets(buf_bytes(&decider->source_target),
                               buf_bytes(&decider->destination_target));
    return 1;
}

int entry_decide(struct entry_decider *decider, struct walk_level *level, struct bytes name,
                 const struct attributes *source, struct compare_decision *out)
{
    struct attributes destination;
    struct err err;
    int found;

    /* Our own staging area never gets here: who lists it hides it. */
    if (level->path_size == 0 && bytes_equal(name, bytes_text(STAGING_NAME))) {
        *out = compare_refuse(ERR_ReservedName);
        return 1;
    }
    found = look_up(level, name, &destination, &err);
    if (found < 0) {
        *out = compare_refuse(err.code);
        return 1;
    }
    *out = compare_objects(source, found ? &destination : NULL, &decider->rules);
    return out->targets ? decide_link(decider, level, name, out) : 1;
}

/* probe.c: see probe.h.
 *
 * How: the cheap and telling checks come first (is it there?), then whether the two are one place,
 * then rights: who mistyped a path wants to hear of that. Names prove nothing about two places:
 * links and bind mounts give one directory many, so places are compared as the mount table has
 * them. */
#include "svc/probe.h"

#include "base/names.h"
#include "svc/confine.h"

#include <stdio.h>
#include <stdlib.h>

void probe_findings_release(struct probe_findings *findings)
{
    buf_release(&findings->source_place);
    buf_release(&findings->destination_place);
}

struct bytes probe_text(const struct err *err, struct buf *scratch)
{
    struct bytes text = bytes_text(err->text);

    if (utf8_is_valid(text)) /* not so: a name in it, or one that was cut off in the middle */
        return text;
    buf_clear(scratch);
    name_escape(scratch, text);
    return buf_bytes(scratch);
}

/* What an error means at either end, and what to do about it. */
static const struct refusal {
    enum err_code from;
    enum err_code to[2]; /* by enum probe_end */
    const char *what;
    const char *advice;
} refusals[] = {
    {ERR_NotFound,
     {ERR_SourceMissing, ERR_DestinationMissing},
     "does not exist",
     "create the directory (or mount it), or correct the address"},
    {ERR_NotADirectory,
     {ERR_SourceNotADirectory, ERR_DestinationNotADirectory},
     "is not a directory",
     "name a directory"},
    {ERR_SymlinkInPath,
     {ERR_SourceNotADirectory, ERR_DestinationNotADirectory},
     "is a symbolic link",
     "name the directory that it leads to"},
    {ERR_AccessDenied,
     {ERR_SourceUnreadable, ERR_DestinationUnwritable},
     "may not be used",
     "give the user that Syncline runs as the right to it"},
};

static const struct refusal *find_refusal(enum err_code code)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        if (refusals[i].from == code)
            return &refusals[i];
    return NULL;
}

enum err_code probe_unreachable(enum probe_end end)
{
    return end == PROBE_SOURCE ? ERR_SourceUnreachable : ERR_AssetUnreachable;
}

int probe_refuse(enum probe_end end, struct bytes address, struct err *err)
{
    static const char *const names[] = {"source", "destination"};
    const struct refusal *refusal = find_refusal(err->code);
    enum err_disposition disposition = err_disposition_of(err->code);
    char why[ERR_TEXT_SIZE];
    int shown = address.size < 160 ? (int)address.size : 160;

    if (refusal) {
        memcpy(why, err->text, sizeof why);
        return err_set(err, refusal->to[end], "the %s %.*s %s (%.120s): %s", names[end], shown,
                       (const char *)address.data, refusal->what, why, refusal->advice);
    }
    if (disposition == DISPOSITION_ITEM || disposition == DISPOSITION_BUG ||
        err->code == ERR_AssetUnreachable)
        err->code = probe_unreachable(end);
    return err_context(err, "the %s %.*s cannot be used", names[end], shown,
                       (const char *)address.data);
}

int probe_require(enum probe_end end, struct asset *asset, struct bytes identity, struct err *err)
{
    struct identity now;

    if (identity.size == 0)
        return 0;
    if (asset_identity(asset, &now, err) < 0)
        return probe_refuse(end, bytes_text(asset->address), err);
    if (bytes_equal(bytes_of(now.bytes, now.size), identity))
        return 0;
    return err_set(err, end == PROBE_SOURCE ? ERR_SourceChanged : ERR_AssetUnreachable,
                   "the %s %.200s is another directory than when the job began: mount it again, or "
                   "put it back, and run the job again",
                   end == PROBE_SOURCE ? "source" : "destination", asset->address);
}

static int refuse_asset(enum probe_end end, const struct asset *asset, struct err *err)
{
    return probe_refuse(end, bytes_text(asset->address), err);
}

static int identify(struct asset *asset, enum probe_end end, struct identity *identity,
                    struct buf *place, struct err *err)
{
    if (asset_identity(asset, identity, err) < 0 || asset_place(asset, place, err) < 0)
        return refuse_asset(end, asset, err);
    return 0;
}

static int check_apart(struct asset *source, struct asset *destination,
                       const struct probe_findings *found, struct err *err)
{
    switch (place_compare(buf_bytes(&found->source_place), buf_bytes(&found->destination_place))) {
    case PLACE_SAME:
        return err_set(err, ERR_SameDirectory,
                       "%.200s and %.200s are the same directory: choose another destination",
                       source->address, destination->address);
    case PLACE_A_IN_B:
        return err_set(err, ERR_Nested,
                       "the source %.180s is inside the destination %.180s: choose directories of "
                       "which neither is inside the other",
                       source->address, destination->address);
    case PLACE_B_IN_A:
        return err_set(err, ERR_Nested,
                       "the destination %.180s is inside the source %.180s: choose directories of "
                       "which neither is inside the other",
                       destination->address, source->address);
    case PLACE_APART:
        break;
    }
    return 0;
}

int probe_assets(struct asset *source, struct asset *destination, bool writer,
                 struct probe_findings *out, struct err *err)
{
    int fit;

    if (identify(source, PROBE_SOURCE, &out->source_identity, &out->source_place, err) < 0 ||
        identify(destination, PROBE_DESTINATION, &out->destination_identity,
                 &out->destination_place, err) < 0 ||
        check_apart(source, destination, out, err) < 0)
        return -1;
    if (asset_check_readable(source, err) < 0)
        return refuse_asset(PROBE_SOURCE, source, err);
    fit = writer ? asset_check_writable(destination, err) : asset_check_readable(destination, err);
    return fit < 0 ? refuse_asset(PROBE_DESTINATION, destination, err) : 0;
}

static int open_end(struct task *task, enum probe_end end, struct bytes address, struct asset **out,
                    struct err *err)
{
    char *text = text_of_bytes(address);
    int confined = confine_check(text, err);

    free(text);
    if (confined < 0) {
        err->code = end == PROBE_SOURCE ? ERR_SourceUnreadable : ERR_DestinationUnwritable;
        return err_context(err, "the %s cannot be used",
                           end == PROBE_SOURCE ? "source" : "destination");
    }
    return task_asset(task, address, out, err) < 0 ? probe_refuse(end, address, err) : 0;
}

/* Before it is there it must be certain that it is not made in the source. */
static int make_destination(const struct msg_probe *probe, struct asset *source, struct err *err)
{
    char *address = text_of_bytes(probe->destination);
    struct probe_findings found = {0};
    int rc = -1;

    if (asset_check_readable(source, err) < 0 ||
        asset_place(source, &found.source_place, err) < 0) {
        refuse_asset(PROBE_SOURCE, source, err);
    } else if (asset_prospect(address, &found.destination_place, err) < 0) {
        probe_refuse(PROBE_DESTINATION, probe->destination, err);
    } else if (place_compare(buf_bytes(&found.source_place), buf_bytes(&found.destination_place)) !=
               PLACE_APART) {
        err_set(err, ERR_Nested,
                "the destination %.180s would be inside the source %.180s: choose directories of "
                "which neither is inside the other",
                address, source->address);
    } else {
        rc = asset_make(address, err);
        if (rc < 0)
            probe_refuse(PROBE_DESTINATION, probe->destination, err);
    }
    free(address);
    probe_findings_release(&found);
    return rc;
}

static int open_destination(struct task *task, struct asset *source, struct asset **out,
                            struct err *err)
{
    const struct msg_probe *probe = &task_envelope(task)->message.probe;
    int rc = open_end(task, PROBE_DESTINATION, probe->destination, out, err);

    if (rc == 0 || !probe->create || err->code != ERR_DestinationMissing)
        return rc;
    if (make_destination(probe, source, err) < 0)
        return -1;
    return open_end(task, PROBE_DESTINATION, probe->destination, out, err);
}

void probe_answer(struct task *task, bool writer)
{
    const struct msg_probe *probe = &task_envelope(task)->message.probe;
    struct envelope reply = {.message.kind = MSG_probed};
    struct msg_probed *probed = &reply.message.probed;
    struct probe_findings found = {0};
    struct asset *source = NULL, *destination = NULL;
    struct buf text = {0};
    struct err err;
    bool fit = open_end(task, PROBE_SOURCE, probe->source, &source, &err) == 0 &&
               open_destination(task, source, &destination, &err) == 0 &&
               probe_assets(source, destination, writer, &found, &err) == 0;

    *probed = (struct msg_probed){
        .job = probe->job,
        .epoch = probe->epoch,
        .sequence = probe->sequence,
        .code = fit ? ERR_Ok : err.code,
        .message = fit ? bytes_text("") : probe_text(&err, &text),
        .source_identity = bytes_of(found.source_identity.bytes, found.source_identity.size),
        .destination_identity =
            bytes_of(found.destination_identity.bytes, found.destination_identity.size),
        .source_place = buf_bytes(&found.source_place),
        .destination_place = buf_bytes(&found.destination_place),
    };
    task_reply(task, &reply);
    buf_release(&text);
    probe_findings_release(&found);
}

/* probe_asset.c: is one asset there, and fit for what it is to be? (probe.h) Asked every so often
 * while something refers to the asset, so that who looks knows before a job has to find out. */
#include "svc/probe.h"

#include "svc/confine.h"

#include <stdlib.h>

static int check(struct asset *asset, bool write, struct asset_findings *out, struct err *err)
{
    if (asset_identity(asset, &out->identity, err) < 0 ||
        asset_space(asset, &out->bytes_free, &out->bytes_total, err) < 0)
        return -1;
    return write ? asset_check_writable(asset, err) : asset_check_readable(asset, err);
}

static int open_and_check(const char *address, bool write, bool create, struct asset_findings *out,
                          struct err *err)
{
    struct asset *asset = NULL;
    struct buf place = {0};
    int rc = asset_open(address, &asset, err);

    if (rc == 0) {
        rc = check(asset, write, out, err);
        asset_close(&asset);
    } else if (create && err->code == ERR_NotFound) {
        rc = asset_prospect(address, &place, err);
        buf_release(&place);
    }
    return rc;
}

int probe_one(struct bytes address, bool write, bool create, struct asset_findings *out,
              struct err *err)
{
    enum probe_end end = write ? PROBE_DESTINATION : PROBE_SOURCE;
    char *text;
    int rc;

    memset(out, 0, sizeof *out);
    if (address.size == 0 || memchr(address.data, '\0', address.size)) {
        err_set(err, ERR_Configuration, "an asset address that is empty or has a NUL");
        return probe_refuse(end, address, err);
    }
    text = text_of_bytes(address);
    rc = confine_check(text, err);
    if (rc == 0)
        rc = open_and_check(text, write, create, out, err);
    free(text);
    return rc < 0 ? probe_refuse(end, address, err) : 0;
}

void probe_asset_answer(struct task *task)
{
    const struct msg_probe_asset *asked = &task_envelope(task)->message.probe_asset;
    struct envelope reply = {.message.kind = MSG_asset_probed};
    struct asset_findings found;
    struct buf text = {0};
    struct err err;
    bool fit = probe_one(asked->address, asked->write, asked->create, &found, &err) == 0;

    reply.message.asset_probed = (struct msg_asset_probed){
        .asset = asked->asset,
        .sequence = asked->sequence,
        .code = fit ? ERR_Ok : err.code,
        .message = fit ? bytes_text("") : probe_text(&err, &text),
        .identity = bytes_of(found.identity.bytes, found.identity.size),
        .bytes_free = found.bytes_free,
        .bytes_total = found.bytes_total,
    };
    task_reply(task, &reply);
    buf_release(&text);
}

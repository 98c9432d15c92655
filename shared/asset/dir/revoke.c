/* revoke.c: taking the right to publish away, and the lock of changes in place.
 *
 * How: everything that is published is renamed out of the token's directory. A revoker unlinks all
 * names in it and removes it, again and again until it is gone (its holder may add names
 * meanwhile). The kernel puts each rename of the holder before or after the unlink of its name;
 * afterwards the holder gets ENOENT, also through a descriptor it still has, as nothing can be made
 * in a removed directory.
 *
 * Changes in place (attributes of existing objects) are not renames, so they hold a lock file. That
 * no holder can pass a revoker there rests on this:
 *   - the lock file is made by the grant only, right after its mkdir, never by who uses the token;
 *   - a revoker unlinks it first, while it holds the lock, and then lets go;
 *   - a holder looks after it has the lock whether the name still leads to the file that it locked.
 * If the holder had the lock first, the revoker waits, and the change is over when it goes on. If
 * the revoker had it first, the name is gone, and nobody makes it again: a grant that was held up
 * between its mkdir and its lock file finds the directory removed, or its file is taken in the
 * revoker's next round; it was not acknowledged, so no holder exists. A holder that was stopped
 * inside its change keeps the lock; after LOCK_WAIT_MS the revoker goes on without and says that it
 * was not clean. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>

#include "base/clock.h"

#define REVOKE_ROUNDS 2000 /* each removes all there is; a holder adds names one by one */
#define LOCK_POLL_NS 200000
#define REVOKE_ENTRIES 4096

/* 1 = locked, 0 = not until the deadline, -1 and errno. flock cannot wait for a time, so it is
 * asked. */
static int wait_for_lock(int fd, s64 deadline_ns)
{
    const struct timespec pause = {.tv_nsec = LOCK_POLL_NS};

    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        if (clock_monotonic_ns() >= deadline_ns)
            return 0;
        nanosleep(&pause, NULL);
    }
    return 1;
}

int dir_lock(struct dir_token *token, struct err *err)
{
    struct attributes held, there;
    int got;

    if (token->lock < 0)
        token->lock = openat(token->fd, LOCK_NAME, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (token->lock < 0 && errno == ENOENT)
        return dir_revoked(token, err);
    if (token->lock < 0)
        return err_errno(err, errno, "open the lock of a token");
    got = wait_for_lock(token->lock, clock_monotonic_ns() + LOCK_WAIT_MS * NS_PER_MS);
    if (got < 0)
        return err_errno(err, errno, "lock a token");
    if (got == 0) /* a revoker has it, and must be done soon */
        return err_set(err, ERR_TimedOut, "lock a token: not free within %d ms", LOCK_WAIT_MS);
    if (dir_stat(token->lock, "", &held) == 0 && dir_stat(token->fd, LOCK_NAME, &there) == 0 &&
        held.inode == there.inode)
        return 0;
    dir_unlock(token);
    return dir_revoked(token, err);
}

void dir_unlock(struct dir_token *token)
{
    flock(token->lock, LOCK_UN);
}

/* Locks out changes in place for good: afterwards there is no lock file. */
static void remove_lock(int fd, s64 deadline_ns, bool *clean)
{
    int lock = openat(fd, LOCK_NAME, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (lock < 0)
        return;
    if (wait_for_lock(lock, deadline_ns) != 1)
        *clean = false;
    unlinkat(fd, LOCK_NAME, 0);
    close(lock); /* before the rmdir: network filesystems keep the name of what is open */
}

int dir_revoke_directory(int area, const char *name, s64 deadline_ns, bool *clean, struct err *err)
{
    for (u32 round = 0; round < REVOKE_ROUNDS; round++) {
        int fd = dir_open_beneath(area, name, O_RDONLY | O_DIRECTORY), emptied;

        if (fd < 0 && errno == ENOENT)
            return 0;
        if (fd < 0)
            return err_errno(err, errno, "open token %s", name);
        remove_lock(fd, deadline_ns, clean);
        emptied = dir_empty(fd, err);
        close(fd);
        if (emptied < 0)
            return err_context(err, "revoke %s", name);
        if (unlinkat(area, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return err_errno(err, errno, "remove token %s", name);
    }
    return err_set(err, ERR_TimedOut, "revoke %s: its directory does not stay empty", name);
}

int dir_revoke_each(int area, dir_token_filter *filter, const void *context, bool *clean,
                    struct err *err)
{
    s64 deadline_ns = clock_monotonic_ns() + LOCK_WAIT_MS * NS_PER_MS;
    u8 entries[REVOKE_ENTRIES] __attribute__((aligned(8)));
    ssize_t size;

    if (lseek(area, 0, SEEK_SET) < 0)
        return err_errno(err, errno, "list " STAGING_NAME);
    while ((size = dir_getdents(area, entries, sizeof entries)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct linux_dirent *entry = (const void *)(entries + at);
            struct token token;

            at += entry->d_reclen;
            if (dir_is_dot(entry->d_name) || strcmp(entry->d_name, MARKER_NAME) == 0)
                continue;
            if (filter &&
                (token_parse(bytes_text(entry->d_name), &token) < 0 || !filter(&token, context)))
                continue;
            if (unlinkat(area, entry->d_name, 0) == 0 || errno == ENOENT)
                continue; /* not a directory, so not a token */
            if (dir_revoke_directory(area, entry->d_name, deadline_ns, clean, err) < 0)
                return -1;
        }
    }
    return size == 0 || errno == ENOENT ? 0 : err_errno(err, errno, "list " STAGING_NAME);
}

static bool is_of_older_epoch(const struct token *token, const void *context)
{
    const struct token *own = context;

    return token->job == own->job && token->epoch != own->epoch;
}

int dir_revoke(struct asset *asset, const struct token *token, bool *clean, struct err *err)
{
    int area = dir_staging_descriptor(dir_asset_of(asset), err), result;
    char name[TOKEN_NAME_SIZE];

    if (area < 0) /* without a staging area of ours there is no token either */
        return err->code == ERR_NotFound || err->code == ERR_ReservedName ? 0 : -1;
    token_name(token, name);
    if (token->sequence == 0)
        result = dir_revoke_each(area, is_of_older_epoch, token, clean, err);
    else
        result = dir_revoke_directory(area, name, clock_monotonic_ns() + LOCK_WAIT_MS * NS_PER_MS,
                                      clean, err);
    close(area);
    return result;
}

/* compare.c: see compare.h.
 *
 * How: an object is equal if size and time are; content is not read to decide that, as in every
 * tool of this kind, because a first synchronization has proven it and a change of content changes
 * the time. Who does not trust that asks for checksum.c. */
#include "compare.h"

#include "base/clock.h"

#include <sys/stat.h>

struct compare_decision compare_refuse(enum err_code code)
{
    return (struct compare_decision){.operation = OPERATION_refuse,
                                     .flags = (u32)code << ITEM_CODE_SHIFT};
}

struct compare_decision compare_put_blindly(void)
{
    return (struct compare_decision){.operation = OPERATION_put, .flags = ITEM_REPLACES};
}

struct compare_decision compare_targets(struct bytes source, struct bytes destination)
{
    if (bytes_equal(source, destination))
        return (struct compare_decision){0};
    return compare_put_blindly();
}

static bool same_owner(const struct attributes *a, const struct attributes *b,
                       const struct compare_rules *rules)
{
    return !rules->owners || (a->uid == b->uid && a->gid == b->gid);
}

static bool same_time(const struct attributes *source, const struct attributes *destination)
{
    return time_is_kept(source->mtime_ns, destination->mtime_ns, destination->ctime_ns);
}

/* `a` at the source, `b` at the destination. */
static bool same_mode(const struct attributes *a, const struct attributes *b,
                      const struct compare_rules *rules)
{
    u32 mode = a->mode;

    if (!rules->modes || mode == b->mode)
        return true;
    /* a copy that cannot have the owner must not run as, or with the group of, somebody else */
    if (a->uid != b->uid)
        mode &= ~(u32)S_ISUID;
    if (a->gid != b->gid && a->kind == KIND_file)
        mode &= ~(u32)S_ISGID;
    return !rules->owners && mode == b->mode;
}

static bool is_node(enum object_kind kind)
{
    return kind == KIND_fifo || kind == KIND_character_device || kind == KIND_block_device;
}

static bool is_carried(enum object_kind kind, const struct compare_rules *rules)
{
    return kind == KIND_file || kind == KIND_directory || kind == KIND_symlink ||
           (is_node(kind) && rules->nodes);
}

static bool same_content(const struct attributes *source, const struct attributes *destination,
                         const struct compare_rules *rules)
{
    /* After a power cut an unsettled object may have the right size and time and the wrong bytes.
     */
    if (rules->put_again_since_ns > 0 && destination->ctime_ns >= rules->put_again_since_ns)
        return false;
    if (is_node(source->kind) ? source->rdev != destination->rdev
                              : source->size != destination->size)
        return false;
    return rules->times ? same_time(source, destination)
                        : destination->mtime_ns >= source->mtime_ns;
}

/* Of objects of one kind, neither of them a directory, equal in content. */
static struct compare_decision set_attributes(const struct attributes *source,
                                              const struct attributes *destination)
{
    /* A link is made anew rather than changed in place, and other names of an inode are not ours to
     * change with it. */
    if (source->kind == KIND_symlink || destination->links > 1)
        return compare_put_blindly();
    return (struct compare_decision){.operation = OPERATION_attributes};
}

/* Of objects of one kind, neither of them a directory. */
static struct compare_decision compare_content(const struct attributes *source,
                                               const struct attributes *destination,
                                               const struct compare_rules *rules)
{
    bool owner = same_owner(source, destination, rules);

    if (!same_content(source, destination, rules))
        return compare_put_blindly();
    /* names of one object at the destination that are objects of their own at the source */
    if (rules->links && source->links == 1 && destination->links > 1)
        return compare_put_blindly();
    if (source->kind == KIND_symlink && owner)
        return (struct compare_decision){.targets = true};
    if (owner && (source->kind == KIND_symlink || same_mode(source, destination, rules)))
        return (struct compare_decision){0};
    return set_attributes(source, destination);
}

static struct compare_decision compare_directories(const struct attributes *source,
                                                   const struct attributes *destination,
                                                   const struct compare_rules *rules)
{
    if (same_owner(source, destination, rules) && same_mode(source, destination, rules) &&
        (!rules->times || same_time(source, destination)))
        return (struct compare_decision){0};
    return (struct compare_decision){.operation = OPERATION_directory, .flags = ITEM_EXISTS};
}

struct compare_decision compare_extras(const struct attributes *source,
                                       const struct attributes *destination)
{
    if (source->kind == KIND_directory)
        return (struct compare_decision){.operation = OPERATION_directory, .flags = ITEM_EXISTS};
    return set_attributes(source, destination);
}

bool compare_is_linked(const struct attributes *source, const struct compare_rules *rules)
{
    return rules->links && source->kind != KIND_directory && source->links > 1;
}

struct compare_decision compare_objects(const struct attributes *source,
                                        const struct attributes *destination,
                                        const struct compare_rules *rules)
{
    bool directory = source->kind == KIND_directory;
    u32 operation = directory ? OPERATION_directory : OPERATION_put;

    if (!is_carried(source->kind, rules))
        return compare_refuse(ERR_UnsupportedKind);
    if (!destination)
        return (struct compare_decision){.operation = operation};
    if (!directory && destination->kind == KIND_directory)
        return (struct compare_decision){.operation = operation,
                                         .flags = ITEM_REPLACES | ITEM_REPLACES_DIRECTORY,
                                         .over_directory = true};
    if (source->kind != destination->kind)
        return (struct compare_decision){.operation = operation, .flags = ITEM_REPLACES};
    return directory ? compare_directories(source, destination, rules)
                     : compare_content(source, destination, rules);
}

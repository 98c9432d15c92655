/* mem.h: planting objects in trees of the memory driver, for tests.
 *
 * `mem:NAME` is a tree in the memory of this process, shared by all who open that name in it and by
 * no other process; it is there from its first open or planting until mem_forget. NAME is not empty
 * and has no slash. It keeps the contract of asset.h in full, but nothing in it survives the
 * process, so it does not claim ASSET_DURABLE (its settle succeeds: all there is to settle is in
 * memory already). */
#ifndef SYNCLINE_ASSET_MEM_H
#define SYNCLINE_ASSET_MEM_H

#include "asset/asset.h"

/* Makes or replaces the object at `path`, and directories (0755) that are missing on the way. Of
 * `attributes` kind, mode, uid, gid, rdev and mtime_ns are taken. `content` is the data of a file
 * or the target of a link. `extras`: bits of NOT_KEPT_… that reading its extras is to say.
 * InvalidPath, NotADirectory (an object of another kind on the way), Occupied (a directory that is
 * not empty would be replaced). */
int mem_plant(const char *tree, struct bytes path, const struct attributes *attributes,
              struct bytes content, u32 extras, struct err *err);
/* Gives the object at `path` these extended attributes and access control lists: a frame of
 * `attribute` records in order of name. NotFound. */
int mem_plant_extras(const char *tree, struct bytes path, struct bytes extras, struct err *err);
/* Removes an object with all below it, as another user of the tree would. NotFound. */
int mem_unplant(const char *tree, struct bytes path, struct err *err);
/* Drops a tree; no asset may be open on it. An unknown name is no error. */
void mem_forget(const char *tree);

#endif

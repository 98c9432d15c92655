/* cppcheck.h: cppcheck reads no system headers; it has to be told that these are loops. */
#define TAILQ_FOREACH(item, head, link)                                                            \
    for ((item) = tailq_first(head); (item); (item) = tailq_next(item))
#define TAILQ_FOREACH_SAFE(item, head, link, after) TAILQ_FOREACH(item, head, link)

/* schedule_words.h: a schedule in words, for a person who reads no cron. Pure. */
#ifndef SYNCLINE_CTL_SCHEDULE_WORDS_H
#define SYNCLINE_CTL_SCHEDULE_WORDS_H

#include "base/buf.h"
#include "cron/cron.h"

/* Appends such as "at 02:00 on Monday to Friday in March". */
void schedule_words(const struct cron *cron, struct buf *out);

#endif

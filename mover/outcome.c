/* outcome.c: from the code of a failure to what becomes of the item. Pure: the retry policy is the
 * disposition of schema/errors.def, with the exceptions named here. */
#include "mover/mover.h"

enum outcome mover_outcome(u32 code, const struct mover_tries *tries)
{
    enum err_disposition disposition = err_disposition_of(code);

    if (tries->waits && err_is_of_place(code))
        return OUTCOME_again;
    if (code == ERR_Vanished)
        return OUTCOME_vanished;
    /* Asking again for the same bytes to be made durable proves nothing: the kernel may have
     * dropped them. Copying them again from the source does. */
    if (code == ERR_SettleFailed)
        disposition = DISPOSITION_RETRY;
    if (disposition != DISPOSITION_RETRY)
        return OUTCOME_failed;
    if (tries->attempt < tries->attempts)
        return OUTCOME_again;
    return code == ERR_Changed ? OUTCOME_changed : OUTCOME_failed;
}

enum outcome mover_outcome_of_removal(u32 code, const struct mover_tries *tries)
{
    enum outcome outcome = mover_outcome(code, tries);

    /* an object that changed will not change back */
    return outcome == OUTCOME_again && code != ERR_Changed ? OUTCOME_again : OUTCOME_kept;
}

bool mover_gives_back(u32 code)
{
    return err_disposition_of(code) == DISPOSITION_GIVE_BACK;
}

bool mover_ends_batch(u32 code)
{
    return mover_gives_back(code) || code == ERR_NoSpace || code == ERR_QuotaExceeded ||
           code == ERR_ReadOnly;
}

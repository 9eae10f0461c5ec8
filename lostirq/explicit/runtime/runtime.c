/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fixed part of the compiled engine, as one translation unit; -DLQ_WORDS=n chooses the words per state. */
#include "store.c"
#include "search.c"
#include "trace.c"
#include "live.c"
#include "lasso.c"

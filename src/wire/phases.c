/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/phases.h"

const char *replica_phase_name(enum replica_phase phase)
{
    switch (phase) {
    case PHASE_QUEUED: return "queued";
    case PHASE_FETCH_CODE: return "fetch-code";
    case PHASE_ENVIRONMENT: return "environment";
    case PHASE_IMPORT: return "import";
    case PHASE_CONSTRUCT: return "construct";
    case PHASE_READY: return "ready";
    case PHASE_RECONFIGURE: return "reconfigure";
    case PHASE_UNHEALTHY: return "unhealthy";
    case PHASE_DRAINING: return "draining";
    case PHASE_FAILED: return "failed";
    case PHASE_GONE: return "gone";
    }
    return "?";
}

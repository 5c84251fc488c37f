# SPDX-License-Identifier: Apache-2.0
"""Names of Ray's insides that programs import."""

# SPDX-License-Identifier: Apache-2.0
"""Names of Serve's insides that programs import."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""lostirq: a model checker for interrupt delivery in hypervisors."""

__version__ = "0.1.0"

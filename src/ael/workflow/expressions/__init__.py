"""Templates: Jinja2's expression syntax, closed to what data needs.

    tree      the expression tree, plain data that encodes to JSON and is kept with a plan
    parse     text → tree, by Jinja2's parser; the only module that needs Jinja2
    evaluate  tree + scope → value, bounded by fuel
    filters   the filters and tests

Spec: the workflow language, templates. There are no Python attributes, no calls and no statements, so there is
nothing to escape from and nothing to mutate.
"""

from ael.workflow.expressions.evaluate import render, render_value, truth
from ael.workflow.expressions.parse import (
    ExpressionError,
    has_template,
    parse_condition,
    parse_template,
    templates_in,
)
from ael.workflow.expressions.tree import Reference, Template

__all__ = [
    "ExpressionError",
    "Reference",
    "Template",
    "has_template",
    "parse_condition",
    "parse_template",
    "render",
    "render_value",
    "templates_in",
    "truth",
]

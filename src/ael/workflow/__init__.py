"""DEFINITION: what a workflow is.

model           the types
yaml_reader     YAML → nodes with places → typed records
load            a file → Definition, every problem at once: with declarations (inputs, outputs), file_steps, file_tests
inputs          validation of inputs
expressions/    templates
code_templates  templates inside code
paths           paths into results
schema          JSON Schema out of the model
"""

# guard: OUTPUT_INVALID|CODE_RUNTIME
# bare: OUTPUT_INVALID|CODE_RUNTIME
# what: half a character as a result
return "\ud800"

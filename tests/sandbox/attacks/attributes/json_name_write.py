# guard: CODE_SECURITY|CODE_RUNTIME|-
# bare: -
# what: the json that is bound already is assigned to
json.loads = lambda text: "hooked"
return "its own copy"

# guard: CODE_MEMORY|CODE_RUNTIME
# bare: CODE_MEMORY|CODE_RUNTIME
# what: a number shown with a huge width
width = 10 ** 10
return f"{1:{width}}"

# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a model whose annotation is code
import pydantic
Made = pydantic.create_model("Made", x=("open('/etc/passwd').read()", ...))
return "ESCAPED " + str(Made.model_fields)

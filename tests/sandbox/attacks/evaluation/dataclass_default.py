# guard: CODE_SECURITY|CODE_RUNTIME|-
# bare: CODE_SECURITY|CODE_RUNTIME|-
# what: a default factory and a string annotation of a dataclass
import dataclasses
@dataclasses.dataclass
class Made:
    x: "open('/etc/passwd').read()" = dataclasses.field(default_factory=lambda: "nothing was run")
return Made().x

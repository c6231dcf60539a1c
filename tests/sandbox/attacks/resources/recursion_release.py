# guard: -|CODE_CRASHED
# bare: -|CODE_CRASHED
# what: a chain of a million objects let go at once
class Node:
    def __init__(self, next_one):
        self.next_one = next_one
last = None
for _ in range(300_000):
    last = Node(last)
del last
return "harmless"

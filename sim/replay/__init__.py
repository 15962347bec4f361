"""Looking at motions: a self-contained page (`html`), an offscreen video (`video`) and a live view (`live`)."""

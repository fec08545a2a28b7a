"""Write every generated section: `make docs`."""

from docs.generate.sections import ROOT, current_text, rendered_files

for path, text in rendered_files().items():
    if current_text(path) != text:
        (ROOT / path).write_text(text, encoding="utf-8")
        print(f"wrote {path}")

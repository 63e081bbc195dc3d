"""A page to try the package in a browser: drop, paste or take a photo. Photos stay on this computer."""

from __future__ import annotations

import os
import tempfile
import time
from typing import Any

from asianage.apps.face_cards import STYLE, message_section, photo_section
from asianage.errors import needs_extra
from asianage.faces.images import load_image
from asianage.prediction.estimator import AgeGenderEstimator

NO_IMAGE = "No photo yet. Drop one into the field, paste it, choose a file or take a picture."
NO_FACE = "No face was found. Try a photo that shows a face larger, brighter or more from the front."

TITLE = "asianage: age and gender from photos of Asian faces"

INTRODUCTION = """# asianage
Age and gender from photos of Asian faces. The photo stays on the computer that runs this page: it is neither kept nor
sent to anyone."""

REMARK = """An estimate from a photo is no proof of age, and must not be the only basis of a decision about a person.
The interval, gray in the chart, covers the true age of that share of faces. Gender means the label of the training
data."""

KEPT_SECONDS = 60
"""Seconds after which an uploaded file is deleted. At the end of the program all are."""

LARGEST_FILE = "50mb"


def result_section(estimator: AgeGenderEstimator, path: str | None) -> str:
    """Return what the page shows for a photo, as HTML.

    Args:
        estimator: Finds and estimates the faces.
        path: The uploaded file; None without a photo.
    """
    if path is None:
        return message_section(NO_IMAGE)
    try:
        faces = estimator.predict(path)
        image = load_image(path, max_pixels=estimator.max_pixels)
    except (OSError, ValueError) as error:
        # The name is one that the page made up.
        reason = str(error).replace(path, "The photo")
        return message_section(f"This photo cannot be read. {reason}", wrong=True)
    return photo_section(image, faces) if faces else message_section(NO_FACE, wrong=True)


def make_page(estimator: AgeGenderEstimator) -> Any:
    """Return the page as Gradio's `Blocks`. Nothing is measured, flagged or shared.

    Raises:
        MissingExtraError: Gradio is not installed.
    """
    with needs_extra("demo", "The demo"):
        import gradio

    with gradio.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS), fill_width=True
    ) as page:
        gradio.Markdown(INTRODUCTION)
        with gradio.Row(equal_height=False):
            with gradio.Column(scale=1, min_width=300):
                photo: Any = gradio.Image(
                    label="Photo",
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "webcam", "clipboard"],
                    height=320,
                    buttons=[],
                    elem_id="photo",
                )
                decoded = photo.preprocess
                # Gradio would end with an error of its own at what Pillow cannot open.
                photo.preprocess = lambda payload: getattr(payload, "path", None) or decoded(payload)
            with gradio.Column(scale=2, min_width=300):
                result = gradio.HTML(message_section(NO_IMAGE), elem_id="result", padding=False)
        gradio.Markdown(REMARK)
        photo.change(
            lambda path: result_section(estimator, path),
            photo,
            result,
            api_visibility="private",
            show_progress="full",
            concurrency_limit=2,
        )
    return page


class Demo:
    """The page, served until it is closed. Uploaded files lie in a folder of its own, which is removed then."""

    def __init__(
        self,
        estimator: AgeGenderEstimator | None = None,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        open_browser: bool = False,
    ) -> None:
        """Begin to serve.

        Args:
            estimator: None takes ``AgeGenderEstimator()``.
            host: Address to listen at. With "0.0.0.0" other computers reach the page, without encryption.
            port: None takes the first free one from 7860 on.
            open_browser: Open the page in the browser of this computer.

        Raises:
            MissingExtraError: Gradio is not installed.
            OSError: The port is taken.
        """
        self._temporary = tempfile.TemporaryDirectory(prefix="asianage-demo-")
        # Gradio reads them when it is imported, and again for each upload.
        os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=self.folder)
        try:
            self._page = make_page(AgeGenderEstimator() if estimator is None else estimator)
            self._page.launch(
                server_name=host,
                server_port=port,
                inbrowser=open_browser,
                prevent_thread_lock=True,
                quiet=True,
                css=STYLE,
                theme=_theme(),
                max_file_size=LARGEST_FILE,
                **NOTHING_KEPT_OR_SENT,
            )
        except BaseException:
            self._temporary.cleanup()
            raise

    @property
    def folder(self) -> str:
        """Where uploaded files lie."""
        return self._temporary.name

    @property
    def address(self) -> str:
        """URL of the page on this computer."""
        return str(self._page.local_url)

    def wait(self) -> None:
        """Return when the page is closed, or raise `KeyboardInterrupt` at Ctrl-C."""
        while self._page.is_running:
            time.sleep(0.2)

    def close(self) -> None:
        """End the page, and delete what was uploaded."""
        self._page.close(verbose=False)
        self._temporary.cleanup()

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


NOTHING_KEPT_OR_SENT: dict[str, Any] = {
    "share": False,
    "footer_links": [],
    "run_history": False,
    "enable_monitoring": False,
    "ssr_mode": False,
    "mcp_server": False,
}
"""Options of Gradio's `launch`."""


def _theme() -> Any:
    import gradio

    # Fonts of the system: the usual ones are fetched from another server.
    return gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])

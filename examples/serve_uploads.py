"""Serve predictions: a photo is uploaded, its faces come back as JSON. Needs fastapi, python-multipart and uvicorn.

python examples/serve_uploads.py PORT

Then: curl -F photo=@photo.jpg http://127.0.0.1:PORT/faces, and http://127.0.0.1:PORT/docs in a browser.
"""

from __future__ import annotations

import sys

from fastapi import FastAPI, HTTPException, UploadFile

from asianage import AgeGenderEstimator, FacePrediction, ImageError

MAX_BYTES = 10_000_000

app = FastAPI(title="asianage")
estimator = AgeGenderEstimator(max_pixels=25_000_000, max_faces=20)


# Not `async`: FastAPI then calls it in a thread, and a long prediction does not hold up other requests.
@app.post("/faces")
def faces(photo: UploadFile) -> list[FacePrediction]:
    """Return the faces of a photo, the largest first."""
    content = photo.file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise HTTPException(413, f"A photo may have {MAX_BYTES:,} bytes.")
    try:
        return estimator.predict(content)
    except ImageError as error:
        raise HTTPException(415, "The file is not a photo that can be read.") from error


def main() -> None:
    """Serve on this machine only."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))


if __name__ == "__main__":
    main()

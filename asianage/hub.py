"""Names and Hub ids -> local model folders."""

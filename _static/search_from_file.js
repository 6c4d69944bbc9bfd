// Search shows a few lines of each page it found by fetching that page, which browsers refuse for file:// addresses.
// There the titles alone are shown.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

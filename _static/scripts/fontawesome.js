// The theme draws its icons from web fonts. It also loads the same icons as 1.5 MB of drawings for authors who add
// their own; this book adds none, and this file stands in their place.

"""What a user looks at: figures, tables, the report page, progress. Plain data in, pictures and text out."""

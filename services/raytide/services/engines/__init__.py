"""The programs that run models, and what every engine measures about itself."""

"""What a first training needs: a look at the pictures, and settings that suit them and the machine."""

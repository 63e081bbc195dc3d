GENDERS = ("female", "male")
